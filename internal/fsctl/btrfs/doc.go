// Package btrfs makes the ioctls of linux/btrfs.h on a mounted btrfs, as the program
// btrfs(8) does: its subvolumes, devices, quota groups, balance and scrub. In contrast to
// the program, what takes long is done when a call returns.
//
// The kernel's answers come from the image. Numbers and sizes in them are checked, and what
// has no end there is cut off.
package btrfs

import (
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// An FS is a mounted btrfs, named by a directory of it that is open.
type FS fsctl.File

// ioctlType is BTRFS_IOCTL_MAGIC.
const ioctlType = 0x94

// do makes an ioctl on a structure.
func (f FS) do(dir, nr uint, arg []byte) error { return fsctl.File(f).Do(dir, ioctlType, nr, arg) }

// simple makes an ioctl without an argument.
func (f FS) simple(nr uint) error { return f.number(fsctl.None, nr, 0, 0) }

// number makes an ioctl whose argument is a number, though its own says that it has a size.
func (f FS) number(dir, nr, size uint, value int) error {
	_, err := f.View.IoctlInt(f.FD, fsctl.Number(dir, ioctlType, nr, size), value)
	return err
}

// named makes an ioctl on a struct btrfs_ioctl_vol_args.
func (f FS) named(nr uint, fd int, name string) error {
	const size, at = 4096, 8
	if len(name) >= size-at {
		return unix.ENAMETOOLONG
	}
	arg := fsctl.Words(size, uint64(fd))
	copy(arg[at:], name)
	return f.do(fsctl.Write, nr, arg)
}
