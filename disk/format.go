package disk

import (
	"errors"
	"io"
)

// formats are what an image may be by mistake. None of the magic numbers can
// be the start of a disk that something boots from, or of a file system.
var formats = []struct {
	name  string
	off   int64 // from the end if negative
	magic string
	hint  string
}{
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
	{"dmg", -512, "koly\x00\x00\x00\x04", convert},
	{"gzip", 0, "\x1f\x8b\x08", decompress},
	{"xz", 0, "\xfd7zXZ\x00", decompress},
	{"zstd", 0, "\x28\xb5\x2f\xfd", decompress},
	{"bzip2", 0, "BZh", decompress},
	{"lz4", 0, "\x04\x22\x4d\x18", decompress},
	{"zip", 0, "PK\x03\x04", decompress},
	{"7z", 0, "7z\xbc\xaf\x27\x1c", decompress},
	{"tar", 257, "ustar", "unpack it first"},
}

const (
	convert    = "try: qemu-img convert -O raw IMAGE IMAGE.raw"
	decompress = "decompress it first"
)

// checkFormat returns a *FormatError if an image is not raw.
func checkFormat(r io.ReaderAt, size int64) error {
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
		b, off := head, f.off
		if off < 0 {
			b, off = tail, off+MinSize
		}
		if string(b[off:off+int64(len(f.magic))]) == f.magic {
			return &FormatError{Format: f.name, Hint: f.hint}
		}
	}
	return nil
}

func readSector(r io.ReaderAt, off int64) ([]byte, error) {
	b := make([]byte, MinSize)
	n, err := r.ReadAt(b, off)
	if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
