// Package vmlinux holds the kernel image that is part of the program, and what
// a child process has to execute to become that kernel.
package vmlinux

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

//go:embed all:image
var files embed.FS

// The names among the embedded files: the kernel, with zeroes before it that
// bring it to a page boundary of the program's file, if align has been there;
// and its loader (kernel/arch/lkl/host/boot).
const (
	Name   = "image/vmlinux"
	loader = "image/loader"
)

// Variable is the environment variable that holds the path of another image,
// which is executed without the loader.
const Variable = "UNBOOT_KERNEL"

// ErrMissing means that the program was built without an image.
var ErrMissing = errors.New("no kernel image")

// minFd keeps the program's descriptor out of the way of those that a child is
// given: it executes the program by number after they have been put in place.
const minFd = 16

// An Image is what a child executes.
type Image struct {
	fd     int
	shared bool // by the whole program: never closed

	// Kernel is the descriptor of a file that the loader finds the kernel
	// in, Offset bytes from its start; or -1 if the kernel itself is what is
	// executed.
	Kernel int
	Offset int64
}

// Path returns the path by which a child of this process can execute it.
func (i *Image) Path() string { return fmt.Sprintf("/proc/self/fd/%d", i.fd) }

// Close closes the image if it is the caller's own.
func (i *Image) Close() {
	if !i.shared {
		unix.Close(i.fd)
	}
}

// Clear returns the image under a descriptor that stays what it is in a child
// which is given files: on the way there, syscall.ForkExec uses the numbers
// that follow the highest of them, one for each file and one for its own.
func (i *Image) Clear(files []uintptr) (*Image, error) {
	low := 0
	for _, fd := range files {
		low = max(low, int(fd))
	}
	fd, err := unix.FcntlInt(uintptr(i.fd), unix.F_DUPFD_CLOEXEC, low+len(files)+3)
	if err != nil {
		return nil, err
	}
	return &Image{fd: fd, Kernel: i.Kernel, Offset: i.Offset}, nil
}

// Open returns the image that Variable names, or the one of the program.
func Open() (*Image, error) {
	if path := os.Getenv(Variable); path != "" {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		fd, err = moveUp(fd)
		return &Image{fd: fd, Kernel: -1}, err
	}
	if avoidLoader.Load() {
		return whole()
	}
	if i := copied.Load(); i != nil {
		return i, nil
	}
	i, err := loaded()
	if err == nil && i.Kernel >= 0 && i.Offset%pageSize != 0 && opened.Add(1) == many {
		go i.copy()
	}
	return i, err
}

// Preload starts to prepare the image.
func Preload() {
	if os.Getenv(Variable) == "" {
		go loaded()
	}
}

var avoidLoader atomic.Bool

// AvoidLoader has Open return images that are executed without the loader, and
// reports whether it did not before: for hosts that do not let memory be
// executed.
func AvoidLoader() bool { return !avoidLoader.Swap(true) }

// loaded is the loader, in a sealed memfd, and the program's own file. Writing
// to that is ETXTBSY (open(2)) as long as the program runs.
var loaded = sync.OnceValues(func() (*Image, error) {
	kernel, err := open(Name)
	if err != nil {
		return nil, err
	}
	defer kernel.file.Close()
	exe, off, ok := kernel.place()
	if !ok {
		return whole()
	}
	l, err := open(loader)
	if err != nil {
		unix.Close(exe)
		return whole()
	}
	defer l.file.Close()
	fd, err := executable(l)
	if err != nil {
		unix.Close(exe)
		return nil, err
	}
	return &Image{fd: fd, shared: true, Kernel: exe, Offset: off}, nil
})

// Where align has not been, which is so in programs that others build, the loader has to copy
// the kernel for each start: 17 MB that take some milliseconds. A program that starts many has
// it copied once more, to where it can be mapped, and keeps that.
const (
	many     = 3
	pageSize = 4096
)

var (
	opened atomic.Int32          // how often loaded was opened for a start
	copied atomic.Pointer[Image] // loaded at a page boundary, or nil
)

// copy sets copied. Without it everything works as before.
func (i *Image) copy() {
	kernel, err := open(Name)
	if err != nil {
		return
	}
	defer kernel.file.Close()
	fd, err := unix.MemfdCreate(copyName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return
	}
	if fd, err = moveUp(fd); err != nil {
		return
	}
	if kernel.copyTo(fd) != nil || seal(fd) != nil {
		unix.Close(fd)
		return
	}
	copied.Store(&Image{fd: i.fd, shared: true, Kernel: fd})
}

const copyName = "unboot-image"

// whole is the kernel in a sealed memfd.
var whole = sync.OnceValues(func() (*Image, error) {
	kernel, err := open(Name)
	if err != nil {
		return nil, err
	}
	defer kernel.file.Close()
	fd, err := executable(kernel)
	if err != nil {
		return nil, err
	}
	return &Image{fd: fd, shared: true, Kernel: -1}, nil
})

// moveUp moves a descriptor to minFd or above.
func moveUp(fd int) (int, error) {
	if fd >= minFd {
		return fd, nil
	}
	up, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, minFd)
	unix.Close(fd)
	return up, err
}
