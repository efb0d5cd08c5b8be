package vhdx

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head is in this format.
func Match(head, _ []byte) bool { return string(head[:len(signature)]) == signature }

// Open opens an image as [New] does.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, refer))
}

// Stat returns the size of the disk in bytes, and the parent as it is looked for first. That
// of a differencing image whose parent has no name that means something here has a name that
// stands in the image.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	m := &Image{file: d}
	if err := m.readTables(); err != nil {
		return 0, nil, err
	}
	if !m.meta.hasParent {
		return m.meta.size, nil, nil
	}
	texts, err := m.meta.locator()
	if err != nil {
		return 0, nil, err
	}
	if refs, err = parents(texts); err != nil {
		refs = []disk.Reference{{Role: disk.BackingFile, Name: texts[keyAbsolute], Format: format}}
	}
	return m.meta.size, refs[:1], nil
}
