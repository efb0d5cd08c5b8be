package vdi

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head, which has 512 bytes, is in this
// format, of whatever version.
func Match(head, _ []byte) bool { return string(head[magicAt:magicAt+4]) == magic }

// Open opens an image as [New] does, with its parent opened by refer.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, Options{Refer: refer}))
}

// Stat returns the size of the disk in bytes, and the parent, whose name is what
// VirtualBox would call it.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	h, err := ReadHeader(d)
	if err != nil {
		return 0, nil, err
	}
	if h.Differencing() {
		refs = append(refs, h.parentReference())
	}
	return h.Size, refs, nil
}
