package cloop

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head is in this format.
func Match(head, _ []byte) bool { return string(head[:len(magic)]) == magic }

// Open opens an image as [New] does.
func Open(d disk.Device, path string, _ func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path))
}

// Stat returns the size of the disk in bytes. There are no other files.
func Stat(d disk.Device) (int64, []disk.Reference, error) {
	h, err := readHeader(d)
	if err != nil {
		return 0, nil, err
	}
	return h.size(), nil, nil
}
