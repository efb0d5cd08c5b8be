package parallels

import (
	"bytes"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// DescriptorName is the name of the file in a bundle that says what it consists of.
const DescriptorName = "DiskDescriptor.xml"

// Match reports whether an image that begins with head is in this format, or is the descriptor
// of a bundle.
func Match(head, _ []byte) bool {
	switch string(head[:len(magic)]) {
	case magic, magicWide:
		return true
	}
	return isDescriptor(head)
}

func isDescriptor(head []byte) bool {
	return bytes.Contains(head, []byte("<Parallels_disk_image"))
}

// Open opens an image as [New] does, and a descriptor with the images that it names.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	head, err := readHead(d)
	if err == nil && isDescriptor(head) {
		b, err := newBundle(d, path, refer)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	return below.Opened(New(d, path))
}

// Stat returns the size of the disk in bytes, and the images that a descriptor names.
func Stat(d disk.Device) (int64, []disk.Reference, error) {
	head, err := readHead(d)
	if err != nil {
		return 0, nil, err
	}
	if !isDescriptor(head) {
		h, err := readHeader(d)
		if err != nil {
			return 0, nil, err
		}
		return h.size, nil, nil
	}
	list, size, err := readDescriptor(d)
	if err != nil {
		return 0, nil, err
	}
	var refs []disk.Reference
	for _, s := range list {
		for _, i := range s.images {
			refs = append(refs, i.reference())
		}
	}
	return size, refs, nil
}

// readHead reads the beginning of an image, which may be shorter.
func readHead(d disk.Device) ([]byte, error) {
	head := make([]byte, min(d.Size(), 512))
	return head, damage.ReadFull(d, head, 0, "header")
}
