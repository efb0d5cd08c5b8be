package xfs

import (
	"encoding/binary"

	"github.com/unboot/unboot/internal/fsctl"
)

// grow makes one of the ioctls that grow a section, on a 64-bit and a 32-bit number.
func (f FS) grow(nr uint, first uint64, second uint32) error {
	arg := fsctl.Words(16, first)
	binary.NativeEndian.PutUint32(arg[8:], second)
	return fsctl.File(f).Do(fsctl.Write, ioctlType, nr, arg)
}

// GrowData grows the data section to a number of blocks, or sets the percentage of it that
// inodes may take. To the kernel both are changes of their own: at least one of them has to
// be another one than it is (XFS_IOC_FSGROWFSDATA).
func (f FS) GrowData(blocks uint64, maxPercent uint32) error { return f.grow(110, blocks, maxPercent) }

// GrowLog moves the log into the data section, with a number of blocks. No kernel can
// (XFS_IOC_FSGROWFSLOG).
func (f FS) GrowLog(blocks uint32) error {
	const internal = 1
	arg := make([]byte, 8)
	binary.NativeEndian.PutUint32(arg, blocks)
	binary.NativeEndian.PutUint32(arg[4:], internal)
	return fsctl.File(f).Do(fsctl.Write, ioctlType, 111, arg)
}

// GrowRealtime grows the realtime section to a number of blocks, in extents of so many
// (XFS_IOC_FSGROWFSRT).
func (f FS) GrowRealtime(blocks uint64, extent uint32) error { return f.grow(112, blocks, extent) }
