package dmg

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that ends with tail is in this format. So whoever can write
// to a raw disk may make it look like one, but makes it name no other file.
func Match(_, tail []byte) bool { return string(tail[:len(magicKoly)]) == magicKoly }

// Open opens an image as [New] does.
func Open(d disk.Device, path string, _ func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path))
}

// Stat returns the size of the disk in bytes. There are no other files.
func Stat(d disk.Device) (int64, []disk.Reference, error) {
	k, err := readKoly(d)
	if err != nil {
		return 0, nil, err
	}
	list, err := readTables(d, k)
	if err != nil {
		return 0, nil, err
	}
	size, err := k.size(list)
	return size, nil, err
}
