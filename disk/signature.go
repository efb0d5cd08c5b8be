package disk

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A Signature is something that a file looks like.
type Signature struct {
	Name string // "qcow2", "tar", "ISO 9660", …
	// Content says that it is what a raw disk may hold, such as a partition table. One disk
	// may have several of these: what starts from a CD and from a memory stick has two.
	Content bool
}

// Signatures returns all that a file of size bytes looks like, where [CheckRaw] is content
// with the first: by how it begins and ends, and by what other programs look for in a fixed
// place. A file that is two things at once may have been made for two programs that do not
// agree on what it is.
func Signatures(r io.ReaderAt, size int64) ([]Signature, error) {
	head, err := readAvailable(r, 0, min(size, signatureHead))
	if err != nil {
		return nil, err
	}
	tail, err := readAvailable(r, max(size-signatureTail, 0), min(size, signatureTail))
	if err != nil {
		return nil, err
	}
	var list []Signature
	add := func(name string, content bool) {
		if !slices.ContainsFunc(list, func(s Signature) bool { return s.Name == name }) {
			list = append(list, Signature{name, content})
		}
	}
	first, last := sectorOf(head), sectorOf(tail[max(0, len(tail)-MinSize):])
	taken := map[int64]bool{} // a number that begins with another one is before it in the list
	for _, f := range formats {
		if !taken[f.off] && f.matches(first, last) {
			taken[f.off] = true
			add(f.name, false)
		}
	}
	if diskCopy(first, size) != nil {
		add("DiskCopy 4.2", false)
	}
	start := strings.ToLower(trimText(first))
	for _, t := range texts {
		if strings.HasPrefix(start, t.prefix) {
			add(t.format, false)
		}
	}
	for _, s := range signatures {
		if s.is(head, tail) {
			add(s.name, s.content)
		}
	}
	return list, nil
}

const (
	// signatureHead is how much is read of the beginning, in bytes: the descriptors of a CD
	// begin at 32 KiB.
	signatureHead = 48 << 10
	// signatureTail is how much is read of the end: the last record of a zip archive with its
	// comment, the length of which has 16 bits.
	signatureTail = 66 << 10
)

// signatures are what is not in formats. Numbers of few bytes count only with more that fits,
// as they are met by chance in what is compressed.
var signatures = []struct {
	name    string
	content bool
	is      func(head, tail []byte) bool
}{
	{"MBR", true, func(head, _ []byte) bool { return isMBR(head) }},
	{"GPT", true, func(head, _ []byte) bool { return has(head, 512, "EFI PART") || has(head, 4096, "EFI PART") }},
	{"Apple partition map", true, func(head, _ []byte) bool { return has(head, 512, "PM\x00\x00\x00\x00") }},
	{"ISO 9660", true, func(head, _ []byte) bool { return has(head, 32769, "CD001") }},
	{"UDF", true, func(head, _ []byte) bool { return has(head, 32769, "BEA01") }},
	{"LUKS", true, func(head, _ []byte) bool { return has(head, 0, "LUKS\xba\xbe") }},
	{"LVM", true, func(head, _ []byte) bool { return has(head, 512, "LABELONE") }},
	{"tar", false, func(head, _ []byte) bool { return isTar(head) }},
	{"zip", false, func(_, tail []byte) bool { return isZipEnd(tail) }},
	{"ELF", false, func(head, _ []byte) bool { return has(head, 0, "\x7fELF") }},
	{"Windows program", false, func(head, _ []byte) bool { return isPE(head) }},
	{"PDF", false, func(head, _ []byte) bool { return bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")) }},
	{"script", false, func(head, _ []byte) bool { return has(head, 0, "#!/") || has(head, 0, "#! /") }},
	{"GIF", false, func(head, _ []byte) bool { return has(head, 0, "GIF87a") || has(head, 0, "GIF89a") }},
	{"PNG", false, func(head, _ []byte) bool { return has(head, 0, "\x89PNG\r\n\x1a\n") }},
	{"JPEG", false, func(head, _ []byte) bool { return has(head, 0, "\xff\xd8\xff\xe0") || has(head, 0, "\xff\xd8\xff\xe1") }},
}

func has(b []byte, off int, magic string) bool {
	return len(b) >= off+len(magic) && string(b[off:off+len(magic)]) == magic
}

// isMBR reports whether there is a partition table: its signature, and entries that can be
// some, of which one is used.
func isMBR(head []byte) bool {
	if !has(head, 510, "\x55\xaa") {
		return false
	}
	used := false
	for e := range slices.Chunk(head[446:510], 16) {
		if e[0]&0x7f != 0 {
			return false
		}
		used = used || e[4] != 0 && binary.LittleEndian.Uint32(e[12:]) != 0
	}
	return used
}

// isTar reports whether a file begins with the header of a member, by its checksum, which the
// oldest archives have too.
func isTar(head []byte) bool {
	if len(head) < MinSize || head[0] == 0 {
		return false
	}
	text := strings.Trim(string(head[148:156]), " \x00")
	want, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return false
	}
	sum := uint64(8 * ' ')
	for i, c := range head[:MinSize] {
		if i < 148 || i >= 156 {
			sum += uint64(c)
		}
	}
	return sum == want
}

// isZipEnd reports whether a file ends with the end of a zip archive, wherever that begins:
// the record whose comment goes to the end of the file.
func isZipEnd(tail []byte) bool {
	const record = 22
	for at := len(tail); ; {
		if at = bytes.LastIndex(tail[:at], []byte("PK\x05\x06")); at < 0 {
			return false
		}
		if rest := tail[at:]; len(rest) >= record && len(rest) == record+int(binary.LittleEndian.Uint16(rest[20:])) {
			return true
		}
	}
}

func isPE(head []byte) bool {
	if !has(head, 0, "MZ") || len(head) < 64 {
		return false
	}
	at := binary.LittleEndian.Uint32(head[60:])
	return at < uint32(len(head)) && has(head, int(at), "PE\x00\x00")
}

// sectorOf returns a sector that begins with b, and has zeros after it.
func sectorOf(b []byte) []byte {
	var s [MinSize]byte
	copy(s[:], b)
	return s[:]
}

// readAvailable reads n bytes, or as many as there are.
func readAvailable(r io.ReaderAt, off, n int64) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, off)
	if int64(got) < n && err != nil && err != io.EOF {
		return nil, err
	}
	return b[:got], nil
}
