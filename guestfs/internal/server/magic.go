package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/probe"
)

// Of what file(1) knows, this is a part: what programs ask of guests, in the words of
// file(1): executables and libraries, scripts, text, compressed files, archives, and what
// is on a device.

// magicBytes is how much of a file is looked at.
const magicBytes = 64 << 10

// File returns what a file or device holds, as "file -zb" does.
func (s *Server) File(ctx context.Context, a *rpc.FileArgs) (string, error) {
	if s.isDevice(a.Path) {
		return s.fileDevice(a.Path)
	}
	st, err := s.lstat(a.Path)
	if err != nil {
		return "", perror(err, "lstat: %s", a.Path)
	}
	switch fileType(&st) {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return "directory", nil
	case unix.S_IFLNK:
		return "symbolic link", nil
	case unix.S_IFIFO:
		return "FIFO", nil
	case unix.S_IFCHR:
		return "character device", nil
	case unix.S_IFBLK:
		return "block device", nil
	case unix.S_IFSOCK:
		return "socket", nil
	default:
		return "unknown file type", nil
	}
	h, err := s.openRead(a.Path)
	if err != nil {
		return "", err
	}
	defer h.close()
	head := make([]byte, magicBytes)
	n, err := h.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", perror(err, "%s", a.Path)
	}
	outer := describe(head[:n], h)
	if typ := compressionOf(head[:n]); typ != "" {
		if inner, ok := describeInner(typ, h); ok {
			return inner + " (" + outer + ")", nil
		}
	}
	return outer, nil
}

// fileDevice says what is on a device, by what unboot finds there.
func (s *Server) fileDevice(name string) (string, error) {
	h, err := s.openRead(name)
	if err != nil {
		return "", err
	}
	defer h.close()
	size, err := h.size()
	if err != nil {
		return "", perror(err, "%s", name)
	}
	head := make([]byte, min(size, 4096))
	if _, err := h.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", perror(err, "%s", name)
	}
	if c, err := probe.Probe(h, size); err == nil && c != nil && c.Type != "" {
		text := c.Type + " filesystem data"
		if strings.HasPrefix(c.Type, "ext") {
			text = "Linux rev 1.0 " + text
		}
		if c.UUID != "" {
			text += ", UUID=" + c.UUID
		}
		if c.Label != "" {
			text += fmt.Sprintf(", volume name %q", c.Label)
		}
		return text + extFeatures(c.Type, head), nil
	}
	return describe(head, h), nil
}

// extFeatures says what file(1) does of the features in a superblock of ext4.
func extFeatures(typ string, head []byte) (s string) {
	const super = 1024
	if !strings.HasPrefix(typ, "ext") || len(head) < 2*super {
		return ""
	}
	for _, f := range []struct {
		off  int
		bit  uint32
		text string
	}{
		{0x60, 0x04, " (needs journal recovery)"}, {0x60, 0x40, " (extents)"}, {0x60, 0x80, " (64bit)"},
		{0x64, 0x02, " (large files)"}, {0x64, 0x08, " (huge files)"},
	} {
		if binary.LittleEndian.Uint32(head[super+f.off:])&f.bit != 0 {
			s += f.text
		}
	}
	return s
}

// compressionOf returns the compression that a file begins with, or "".
func compressionOf(head []byte) string {
	for _, m := range []struct{ magic, name string }{
		{"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"\x28\xb5\x2f\xfd", "zstd"},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name
		}
	}
	return ""
}

// describeInner says what is compressed in a file.
func describeInner(typ string, h *handle) (string, bool) {
	z, err := decompressor(typ, io.NewSectionReader(h, 0, 1<<62))
	if err != nil {
		return "", false
	}
	head := make([]byte, magicBytes)
	n, err := io.ReadFull(z, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", false
	}
	return describe(head[:n], bytes.NewReader(head[:n])), true
}

// magics are what files begin with.
var magics = []struct {
	off   int
	magic string
	text  string
}{
	{0, "070701", "ASCII cpio archive (SVR4 with no CRC)"},
	{0, "070702", "ASCII cpio archive (SVR4 with CRC)"},
	{0, "070707", "ASCII cpio archive (pre-SVR4 or odc)"},
	{257, "ustar\x00", "POSIX tar archive"},
	{257, "ustar  \x00", "POSIX tar archive (GNU)"},
	{0, "!<arch>\ndebian-binary", "Debian binary package (format 2.0)"},
	{0, "!<arch>\n", "current ar archive"},
	{0, "\xed\xab\xee\xdb\x03", "RPM v3.0"},
	{0, "PK\x03\x04", "Zip archive data"},
	{0, "QFI\xfb", "QEMU QCOW2 Image"},
	{0, "\x89PNG\r\n\x1a\n", "PNG image data"},
	{0, "GIF8", "GIF image data"},
	{0, "\xff\xd8\xff", "JPEG image data"},
	{0, "%PDF-", "PDF document"},
	{0, "regf", "MS Windows registry file, NT/2000 or above"},
	{0, "SQLite format 3\x00", "SQLite 3.x database"},
	{0, "hsqs", "Squashfs filesystem, little endian"},
	{32769, "CD001", "ISO 9660 CD-ROM filesystem data"},
	{0, "\x7fELF", "ELF"},
	{0, "MZ", "MS-DOS executable"},
	{514, "HdrS", "Linux kernel x86 boot executable bzImage"},
	{0, "SELinux", "SELinux policy"},
	{0, "\x04\x22\x4d\x18", "LZ4 compressed data (v1.4+)"},
	{0, "\x28\xb5\x2f\xfd", "Zstandard compressed data (v0.8+)"},
	{0, "\xfd7zXZ\x00", "XZ compressed data"},
	{0, "\x1f\x8b", "gzip compressed data"},
	{0, "BZh", "bzip2 compressed data"},
}

// describe says what the start of a file is. r has all of it.
func describe(head []byte, r io.ReaderAt) string {
	switch {
	case len(head) == 0:
		return "empty"
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return describeELF(r)
	case bytes.HasPrefix(head, []byte("MZ")):
		return describePE(r)
	}
	for _, m := range magics {
		if len(head) < m.off+len(m.magic) || string(head[m.off:m.off+len(m.magic)]) != m.magic {
			continue
		}
		switch m.magic {
		case "BZh":
			if len(head) > 3 && head[3] >= '1' && head[3] <= '9' {
				return fmt.Sprintf("%s, block size = %c00k", m.text, head[3])
			}
		case "\xfd7zXZ\x00":
			if len(head) > 7 {
				if sum, ok := map[byte]string{0: "NONE", 1: "CRC32", 4: "CRC64", 10: "SHA-256"}[head[7]]; ok {
					return m.text + ", checksum " + sum
				}
			}
		case "\x89PNG\r\n\x1a\n":
			return m.text + describePNG(head)
		case "GIF8":
			return m.text + describeGIF(head)
		case "\x1f\x8b":
			return m.text + describeGzip(head)
		}
		return m.text
	}
	if len(head) >= 512 && head[510] == 0x55 && head[511] == 0xaa {
		return "DOS/MBR boot sector" + describeMBR(head)
	}
	return describeText(head)
}

// describeMBR lists the partitions.
func describeMBR(head []byte) string {
	var b strings.Builder
	for i := range 4 {
		e := head[446+16*i:][:16]
		if e[4] == 0 {
			continue
		}
		fmt.Fprintf(&b, "; partition %d : ID=%#x,", i+1, e[4])
		if e[0]&0x80 != 0 {
			b.WriteString(" active,")
		}
		chs := func(c []byte) string {
			return fmt.Sprintf("(%#x,%d,%d)", int(c[2])|int(c[1]&0xc0)<<2, c[0], c[1]&0x3f)
		}
		fmt.Fprintf(&b, " start-CHS %s, end-CHS %s, startsector %d, %d sectors", chs(e[1:]), chs(e[5:]),
			binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:]))
	}
	return b.String()
}

// describeGzip reads the header of RFC 1952.
func describeGzip(head []byte) string {
	if len(head) < 10 {
		return ""
	}
	s := ""
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err == nil && z.Name != "" {
		s += fmt.Sprintf(", was %q", z.Name)
	}
	if sec := binary.LittleEndian.Uint32(head[4:]); sec != 0 {
		s += ", last modified: " + time.Unix(int64(sec), 0).UTC().Format("Mon Jan _2 15:04:05 2006")
	}
	switch head[8] {
	case 2:
		s += ", max compression"
	case 4:
		s += ", max speed"
	}
	if head[9] == 3 {
		s += ", from Unix"
	}
	return s
}

// Zfile says what is compressed in a file.
func (s *Server) Zfile(ctx context.Context, a *rpc.ZfileArgs) (string, error) {
	typ := a.Meth
	if typ == "compress" || typ != "gzip" && typ != "bzip2" {
		return "", errorf("unknown method")
	}
	h, err := s.openRead(a.Path)
	if err != nil {
		return "", err
	}
	defer h.close()
	inner, ok := describeInner(typ, h)
	if !ok {
		return "", errorf("%s: not compressed by %s", a.Path, typ)
	}
	return inner, nil
}
