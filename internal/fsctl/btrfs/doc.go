// Package btrfs asks a mounted btrfs for its subvolumes, by the ioctls of linux/btrfs.h on
// a directory of it. The program btrfs(8) makes the same calls.
//
// What the kernel answers comes from the image. Numbers and sizes in it are checked, and
// what has no end there is cut off.
package btrfs

import "github.com/unboot/unboot/lkl"

// An FS is a mounted btrfs, named by a directory of it that is open. FD is a descriptor of
// View's kernel, and none with O_PATH, which takes no ioctls.
type FS struct {
	View *lkl.View
	FD   int
}

// number returns the number of an ioctl: dir is 1 for writing, 2 for reading, 3 for both,
// as the program sees it.
func number(dir, nr, size uint) uint { return dir<<30 | size<<16 | 0x94<<8 | nr }
