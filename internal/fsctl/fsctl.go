// Package fsctl makes the ioctls of file systems on open files and directories, and returns
// Go values. What every file system may have, of linux/fs.h, is here; each one's own is in
// a package below: btrfs, ext4, xfs.
//
// The calls work over a kernel of package lkl, and over the host's ([Host]). What a kernel
// answers may come from a hostile image: numbers and sizes in it are checked, and what has
// no end there is cut off. Errors are those of the kernel as they are, mostly a
// [unix.Errno], for the caller to add what it was about; one of a file system that does not
// know the call is ENOTTY.
package fsctl

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A View makes ioctls. *lkl.View is one.
type View interface {
	// Ioctl makes an ioctl on a structure, which the kernel may change.
	Ioctl(fd int, req uint, arg []byte) (int, error)
	// IoctlInt makes an ioctl whose argument is a number, or unused.
	IoctlInt(fd int, req uint, value int) (int, error)
}

// A Memory is a piece of memory that a kernel can reach, for a structure that another one
// points to. *lkl.Buffer is one.
type Memory interface {
	Bytes() []byte
	Addr() uint64
}

// A File is an open file or directory of a mounted file system. FD is a descriptor of
// View's kernel, and not one with O_PATH, which takes no ioctls.
type File struct {
	View View
	FD   int
}

// Directions of an ioctl's argument, as the program sees it.
const (
	None      = 0
	Write     = 1
	Read      = 2
	ReadWrite = Read | Write
)

// Number returns the number of an ioctl, as _IOC of asm-generic/ioctl.h.
func Number(dir, typ, nr, size uint) uint { return dir<<30 | size<<16 | typ<<8 | nr }

// Do makes an ioctl on a structure, whose size is a part of its number.
func (f File) Do(dir, typ, nr uint, arg []byte) error {
	_, err := f.View.Ioctl(f.FD, Number(dir, typ, nr, uint(len(arg))), arg)
	return err
}

// Words returns a structure of size bytes that begins with 64-bit words, in the byte order
// of the machine.
func Words(size int, values ...uint64) []byte {
	arg := make([]byte, max(size, 8*len(values)))
	for i, v := range values {
		binary.NativeEndian.PutUint64(arg[8*i:], v)
	}
	return arg
}

// Host is the View of the host's kernel.
type Host struct{}

// Ioctl implements View.
func (Host) Ioctl(fd int, req uint, arg []byte) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(unsafe.Pointer(unsafe.SliceData(arg))))
	runtime.KeepAlive(arg)
	return result(n, errno)
}

// IoctlInt implements View.
func (Host) IoctlInt(fd int, req uint, value int) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(value))
	return result(n, errno)
}

func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
