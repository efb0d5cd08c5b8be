package unboot

import "github.com/unboot/unboot/disk/source"

// A Disk is a disk of an image.
type Disk struct {
	// Path is the host path, or the name given to [AddDevice].
	Path string
	// Name is the path of its node in the kernel, such as "/dev/sda".
	Name string
	// Size is in bytes.
	Size int64
	// SectorSize is the size of a logical block in bytes.
	SectorSize int
	// Table is the kind of the partition table, such as "gpt", "dos" or "mac", as
	// package volume/part calls it; "" if there is none.
	Table string
	// UUID identifies the partition table, or is "".
	UUID string

	// Stored is what the image says of itself: its format, and the files that it names. It is
	// nil for a disk of [AddDevice].
	Stored *source.Info

	raw   bool  // a file or block device of the host
	whole int64 // bytes that are really there, if that is less than Size; or 0
}
