// Package ext4 makes the ioctls that ext4 has for itself: see ioctl_ext4(2) and the
// kernel's Documentation/filesystems/ext4.
package ext4

import (
	"encoding/binary"

	"github.com/unboot/unboot/internal/fsctl"
)

// An FS is a mounted ext2, ext3 or ext4, named by a file of it that is open.
type FS fsctl.File

// SetUUID sets the UUID of the file system, which is mounted: it can be one with checksums
// of its metadata (EXT4_IOC_SETFSUUID).
func (f FS) SetUUID(id [16]byte) error {
	// A struct fsuuid: its length, flags, and the UUID, which is not counted in the number
	// of the ioctl.
	const ext4IocSetfsuuid = 0x4008662c
	arg := make([]byte, 8, 8+len(id))
	binary.NativeEndian.PutUint32(arg, uint32(len(id)))
	_, err := f.View.Ioctl(f.FD, ext4IocSetfsuuid, append(arg, id[:]...))
	return err
}

// Resize grows the file system, which is mounted, to a number of blocks
// (EXT4_IOC_RESIZE_FS).
func (f FS) Resize(blocks uint64) error {
	return fsctl.File(f).Do(fsctl.Write, 'f', 16, fsctl.Words(8, blocks))
}
