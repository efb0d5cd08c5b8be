package vhd

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image is in this format, by its first and last 512 bytes: all
// but fixed ones have the footer at the beginning, too. A footer that stands only at the end is
// taken for one if its checksum is right and it is that of a fixed image. So whoever can write
// to a raw disk may hide its last sector, but makes it name no other file.
func Match(head, tail []byte) bool {
	if string(head[:8]) == cookie {
		return true
	}
	if fixed(tail) {
		return true
	}
	// The last byte of an old footer is not there.
	old := make([]byte, footerSize)
	copy(old, tail[1:])
	return fixed(old)
}

func fixed(b []byte) bool {
	f, err := parseFooter(b)
	return err == nil && f.Kind == Fixed
}

// Open opens an image as [New] does.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, refer))
}

// Stat returns the size of the disk in bytes, and the parent as it is looked for first. That
// of a differencing image whose parent has no name that means something here has the name that
// stands in the image.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	f, _, err := ReadFooter(d)
	if err != nil {
		return 0, nil, err
	}
	if f.Kind != Differencing {
		return f.Size(), nil, nil
	}
	h, err := readHeader(d, f, f.Size())
	if err != nil {
		return 0, nil, err
	}
	refs, err = h.parents(d)
	if err != nil {
		refs = []disk.Reference{{Role: disk.BackingFile, Name: h.name(), Format: format}}
	}
	return f.Size(), refs[:1], nil
}
