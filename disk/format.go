package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A foreign is a format that is not raw.
type foreign struct {
	name  string
	off   int64 // from the end if negative
	magic string
	hint  string
}

// matches reports whether an image has its magic number, by its first and last 512 bytes.
func (f *foreign) matches(head, tail []byte) bool {
	b, off := head, f.off
	if off < 0 {
		b, off = tail, off+MinSize
	}
	return string(b[off:off+int64(len(f.magic))]) == f.magic
}

// formats are what an image may be by mistake. None of the magic numbers can
// be the start of a disk that something boots from, or of a file system.
var formats = []foreign{
	{"qcow", 0, "QFI\xfb\x00\x00\x00\x01", convert},
	{"qcow2", 0, "QFI\xfb", convert},
	{"qed", 0, "QED\x00", convert},
	{"vmdk", 0, "KDMV", convert},
	{"vmdk", 0, "COWD", convert},
	{"vmdk", 0, "# Disk DescriptorFile", convert},
	{"vdi", 64, "\x7f\x10\xda\xbe", convert},
	{"vhdx", 0, "vhdxfile", convert},
	{"vhd", 0, "conectix", convert},
	{"parallels", 0, "WithoutFreeSpace", convert},
	{"parallels", 0, "WithouFreSpacExt", convert},
	{"bochs", 0, "Bochs Virtual HD Image", convert},
	{"cloop", 0, "#!/bin/sh\n#V2.0 Format\n", convert},
	{"cloop 1", 0, "#!/bin/sh\n#V1.0 Format\n", convert},
	{"asif", 0, "shdw\x00\x00\x00\x01", "try, on a Mac: diskutil image create from IMAGE IMAGE.raw --format RAW"},
	{"dmg", -512, "koly\x00\x00\x00\x04", convert},
	{"encrypted dmg", 0, "encrcdsa", "decrypt it first, on a Mac: hdiutil convert"},
	{"EWF", 0, "EVF\x09\x0d\x0a\xff\x00", "try: ewfexport -f raw IMAGE"},
	{"EWF", 0, "LVF\x09\x0d\x0a\xff\x00", "it holds files, not a disk; try: ewfmount IMAGE FOLDER"},
	{"EWF 2", 0, "EVF2\x0d\x0a\x81\x00", "try: ewfexport -f raw IMAGE"},
	{"AFF", 0, "AFF10\r\n\x00", "try: affconvert -r IMAGE"},
	{"AFF4", 30, "container.description", "try: aff4imager -e"},
	{"AFF4", 30, "information.turtle", "try: aff4imager -e"},
	{"Android sparse", 0, "\x3a\xff\x26\xed", "try: simg2img IMAGE IMAGE.raw"},
	{"Android boot", 0, "ANDROID!", "it holds a kernel and an initrd; try: unpack_bootimg"},
	{"Android OTA payload", 0, "CrAU", "try: payload-dumper-go IMAGE"},
	{"VMA", 0, "VMA\x00\x00\x00\x00\x01", "on Proxmox VE, try: vma extract IMAGE FOLDER"},
	{"WIM", 0, "MSWIM\x00\x00\x00", "try: wimextract, or wimmount"},
	{"raw CD (2352 bytes a sector)", 0, "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", "try: bchunk, or iat IMAGE IMAGE.iso"},
	{"U-Boot", 0, "\x27\x05\x19\x56", firmware},
	{"device tree", 0, "\xd0\x0d\xfe\xed", firmware},
	{"gzip", 0, "\x1f\x8b\x08", decompress},
	{"xz", 0, "\xfd7zXZ\x00", decompress},
	{"zstd", 0, "\x28\xb5\x2f\xfd", decompress},
	{"bzip2", 0, "BZh", decompress},
	{"lz4", 0, "\x04\x22\x4d\x18", decompress},
	{"lzip", 0, "LZIP\x01", decompress},
	{"lzop", 0, "\x89LZO\x00\r\n\x1a\n", decompress},
	{"zip", 0, "PK\x03\x04", decompress},
	{"7z", 0, "7z\xbc\xaf\x27\x1c", decompress},
	{"rar", 0, "Rar!\x1a\x07", decompress},
	{"xar", 0, "xar!", unpack},
	{"cpio", 0, "070701", unpack},
	{"cpio", 0, "070702", unpack},
	{"cpio", 0, "070707", unpack},
	{"cpio", 0, "\xc7\x71", unpack},
	{"ar", 0, "!<arch>\n", unpack},
	{"tar", 257, "ustar", unpack},
	{"PDF", 0, "%PDF-", ""},
}

const (
	convert    = "try: qemu-img convert -O raw IMAGE IMAGE.raw"
	decompress = "decompress it first"
	unpack     = "unpack it first"
	firmware   = "look for file systems in it: binwalk IMAGE"
)

// CheckRaw returns a [*FormatError] if an image of size bytes is recognized as being in a
// format that is not raw, whether another package reads that or not.
func CheckRaw(r io.ReaderAt, size int64) error {
	head, err := readSector(r, 0)
	if err != nil {
		return err
	}
	tail := head
	if size >= 2*MinSize {
		if tail, err = readSector(r, size-MinSize); err != nil {
			return err
		}
	}
	for _, f := range formats {
		if f.matches(head, tail) {
			return &FormatError{Format: f.name, Hint: f.hint}
		}
	}
	if e := diskCopy(head, size); e != nil {
		return e
	}
	if e := executable(head, size); e != nil {
		return e
	}
	start := strings.ToLower(trimText(head))
	for _, t := range texts {
		if strings.HasPrefix(start, t.prefix) {
			return &FormatError{Format: t.format, Hint: t.hint}
		}
	}
	return nil
}

// diskCopy recognizes DiskCopy 4.2, of floppies of a Macintosh: a header of 84 bytes
// before the data.
func diskCopy(head []byte, size int64) *FormatError {
	const header = 84
	be := binary.BigEndian
	data, tags := int64(be.Uint32(head[64:])), int64(be.Uint32(head[68:]))
	if head[0] == 0 || head[0] > 63 || be.Uint16(head[82:]) != 0x100 || header+data+tags != size {
		return nil
	}
	return &FormatError{Format: "DiskCopy 4.2", Hint: fmt.Sprintf("try: tail -c +%d IMAGE | head -c %d >IMAGE.raw", header+1, data)}
}

// executable recognizes programs, and of AppImages of type 2, which are programs with a
// squashfs after them, says where that is.
func executable(head []byte, size int64) *FormatError {
	if string(head[:4]) != "\x7fELF" {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	end := uint64(order.Uint32(head[32:])) + uint64(order.Uint16(head[46:]))*uint64(order.Uint16(head[48:]))
	if head[4] == 2 { // 64 bits
		end = order.Uint64(head[40:]) + uint64(order.Uint16(head[58:]))*uint64(order.Uint16(head[60:]))
	}
	switch magic := string(head[8:11]); {
	case magic == "AI\x01":
		return nil // a CD image as well, as which it is read
	case magic == "AI\x02" && end < uint64(size):
		return &FormatError{Format: "AppImage", Hint: fmt.Sprintf("try: tail -c +%d IMAGE >IMAGE.squashfs", end+1)}
	case magic == "AI\x02":
		return &FormatError{Format: "AppImage"}
	}
	return &FormatError{Format: "ELF", Hint: "it is a program"}
}

// texts are texts that are met in the place of an image, by how they begin, in lower case.
var texts = []struct{ prefix, format, hint string }{
	{"<!doctype html", "HTML", "a server has answered with a page: download the image again"},
	{"<html", "HTML", "a server has answered with a page: download the image again"},
	{"version https://git-lfs.github.com/spec/", "git-lfs pointer", "try: git lfs pull"},
}

// trimText takes off what a text may have before it begins.
func trimText(head []byte) string {
	return strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff"))
}

func readSector(r io.ReaderAt, off int64) ([]byte, error) {
	b := make([]byte, MinSize)
	n, err := r.ReadAt(b, off)
	if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
