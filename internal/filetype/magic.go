package filetype

import (
	"bytes"
	"fmt"
	"io"

	"github.com/unboot/unboot/internal/compression/lzop"
)

// magics are what files begin with. The first that fits counts: a Debian package is also an
// ar archive, and a tar archive by GNU also one by POSIX.
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
	{0, lzop.Magic, "lzop compressed data"},
}

// describe describes a file by its beginning, head. Only executables are read further, from
// r, since their tables may be anywhere.
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
	// After all others: boot sectors of file systems and hybrid images have the signature,
	// too.
	if len(head) >= 512 && head[510] == 0x55 && head[511] == 0xaa {
		return "DOS/MBR boot sector" + describeMBR(head)
	}
	return describeText(head)
}
