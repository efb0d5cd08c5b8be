package vmdk

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head, which has 512 bytes, is in this
// format, or an extent of such an image.
func Match(head, _ []byte) bool {
	switch string(head[:4]) {
	case magicSparse, magicCOWD:
		return true
	}
	return string(head[:min(len(head), len(magicSESparse))]) == magicSESparse || isDescriptor(head)
}

// Open opens an image as [New] does, with other files opened by refer. A streamOptimized
// image that was created and is opened for writing is a [Stream].
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	if disk.Writable(d) {
		if s := newStream(d, path); s != nil {
			return s, nil
		}
	}
	return below.Opened(New(d, path, Options{Refer: refer}))
}

// Stat returns the size of the disk in bytes, and the files that the image names.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	desc, g, _, err := readImage(d)
	if err != nil {
		return 0, nil, err
	}
	if g != nil {
		return g.capacity * sectorSize, desc.references(true), nil
	}
	size, err = desc.size()
	return size, desc.references(false), err
}
