package btrfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// maxDeviceID bounds the IDs of devices that are tried: a hostile file system has any.
const maxDeviceID = 1 << 16

// info is a struct btrfs_ioctl_fs_info_args (BTRFS_IOC_FS_INFO).
func (f FS) info() ([]byte, error) {
	arg := make([]byte, 1024)
	return arg, f.do(fsctl.Read, 31, arg)
}

// UUID returns the UUID of the file system.
func (f FS) UUID() (UUID, error) {
	arg, err := f.info()
	return UUID(arg[16:]), err
}

// Sync writes everything to the devices (BTRFS_IOC_SYNC).
func (f FS) Sync() error { return f.simple(8) }

// A Device is one of those that a file system lies on: a struct
// btrfs_ioctl_dev_info_args. Sizes are in bytes.
type Device struct {
	ID        uint64
	Size      uint64
	Allocated uint64 // to chunks
	Path      string // as the kernel knows it; "" if the device is missing
}

// eachDevice calls visit with the devices until it returns false (BTRFS_IOC_DEV_INFO).
func (f FS) eachDevice(visit func(d Device) (more bool, err error)) error {
	const allocated, size, path = 24, 32, 3072
	info, err := f.info()
	if err != nil {
		return err
	}
	le := binary.NativeEndian
	for id := uint64(1); id <= min(le.Uint64(info), maxDeviceID); id++ {
		arg := fsctl.Words(4096, id)
		err := f.do(fsctl.ReadWrite, 30, arg)
		if errors.Is(err, unix.ENODEV) {
			continue // that of a device that was removed
		}
		more := false
		if err == nil {
			name, _, _ := bytes.Cut(arg[path:], []byte{0})
			more, err = visit(Device{id, le.Uint64(arg[size:]), le.Uint64(arg[allocated:]), string(name)})
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Device returns the path of the first device of the file system that is there.
func (f FS) Device() (path string, err error) {
	err = f.eachDevice(func(d Device) (bool, error) {
		path = d.Path
		return path == "", nil
	})
	if err == nil && path == "" {
		err = unix.ENODEV
	}
	return path, err
}

// First returns the ID of the first device of the file system, which is the one that Resize
// resizes.
func (f FS) First() (id uint64, err error) {
	err = f.eachDevice(func(d Device) (bool, error) {
		id = d.ID
		return false, nil
	})
	return id, err
}

// Grow resizes the file system to the size of its devices (BTRFS_IOC_RESIZE).
func (f FS) Grow() error {
	return f.eachDevice(func(d Device) (bool, error) { return true, f.resize(d.ID, "max") })
}

// Resize resizes the part of the file system on its first device, to a size in bytes.
func (f FS) Resize(size int64) error {
	return f.eachDevice(func(d Device) (bool, error) {
		return false, f.resize(d.ID, strconv.FormatInt(size, 10))
	})
}

func (f FS) resize(id uint64, size string) error { return f.named(3, 0, fmt.Sprint(id, ":", size)) }

// AddDevice adds a device to the file system, whatever is on it (BTRFS_IOC_ADD_DEV). Its
// name is looked up where f.View has its root directory.
func (f FS) AddDevice(name string) error { return f.named(10, 0, name) }

// RemoveDevice moves what is on a device to others, and removes it from the file system
// (BTRFS_IOC_RM_DEV).
func (f FS) RemoveDevice(name string) error { return f.named(11, 0, name) }

// A ReplaceError is the error of a replacement that the kernel does not begin: one of
// BTRFS_IOCTL_DEV_REPLACE_RESULT_NOT_STARTED and others.
type ReplaceError uint64

func (e ReplaceError) Error() string {
	return fmt.Sprintf("the kernel refuses with result %d", uint64(e))
}

// ReplaceDevice moves what is on a device to another, which takes its place
// (BTRFS_IOC_DEV_REPLACE). The error may be a [ReplaceError].
func (f FS) ReplaceDevice(source, target string) error {
	// In a struct btrfs_ioctl_dev_replace_args, where the first word is the command: start.
	const result, sourceAt, targetAt, nameSize, size = 8, 32, 32 + 1025, 1025, 2600
	if len(source) >= nameSize || len(target) >= nameSize {
		return unix.ENAMETOOLONG
	}
	arg := make([]byte, size)
	copy(arg[sourceAt:], source)
	copy(arg[targetAt:], target)
	err := f.do(fsctl.ReadWrite, 53, arg)
	if n := binary.NativeEndian.Uint64(arg[result:]); err == nil && n != 0 {
		return ReplaceError(n)
	}
	return err
}

// compressions are the methods of compression by their numbers.
var compressions = []string{"", "zlib", "lzo", "zstd"}

// A Defrag says how to defragment.
type Defrag struct {
	Flush    bool   // write it to the devices at once
	Compress string // zlib, lzo or zstd, or "" to leave it as it is
}

// Compresses reports whether btrfs has a method of compression.
func Compresses(method string) bool { return slices.Index(compressions, method) > 0 }

// Defragment defragments a file, or the tree of a directory (BTRFS_IOC_DEFRAG_RANGE). The
// error is EINVAL for a compression that [Compresses] does not know.
func (f FS) Defragment(d Defrag) error {
	const compress, startIO, whole = 1, 2, ^uint64(0)
	flags, method := uint64(0), max(0, slices.Index(compressions, d.Compress))
	if d.Flush {
		flags |= startIO
	}
	if d.Compress != "" {
		if method == 0 {
			return unix.EINVAL
		}
		flags |= compress
	}
	return f.do(fsctl.Write, 16, fsctl.Words(48, 0, whole, flags, uint64(method)<<32))
}
