package vma

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head is in this format.
func Match(head, _ []byte) bool { return string(head[:len(magic)]) == magic }

// Open is [OpenPart] of the only disk.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return OpenPart(d, path, "", refer)
}

// OpenPart opens the disk of a name, or the only one, as [New] does.
func OpenPart(d disk.Device, path, name string, _ func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, name))
}

// Stat returns the size of the only disk in bytes. There are no other files.
func Stat(d disk.Device) (int64, []disk.Reference, error) {
	h, err := readHeader(d)
	if err != nil {
		return 0, nil, err
	}
	s, err := h.choose("")
	if err != nil {
		return 0, nil, err
	}
	return s.size, nil, nil
}
