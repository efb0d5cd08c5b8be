// Package vmlinux holds the kernel image that is part of the program, and
// makes an executable file of it that has no name.
package vmlinux

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

//go:embed all:image
var files embed.FS

// Name is the file name of the image among those embedded.
const Name = "image/vmlinux"

// Variable is the environment variable that holds the path of another image.
const Variable = "UNBOOT_KERNEL"

// ErrMissing means that the program was built without an image.
var ErrMissing = errors.New("no kernel image")

// minFd keeps the image's descriptor out of the way of those that a child is
// given: it executes the image by number after they have been put in place.
const minFd = 16

// An Image is an executable file, open for reading.
type Image struct {
	fd     int
	shared bool // by the whole program: never closed
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
	return &Image{fd: fd}, nil
}

// Open returns the image that Variable names, or the one of the program. That
// is copied once, into a sealed memfd, and stays there.
func Open() (*Image, error) {
	if path := os.Getenv(Variable); path != "" {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		fd, err = moveUp(fd)
		return &Image{fd: fd}, err
	}
	return embedded()
}

// Preload starts to copy the image.
func Preload() {
	if os.Getenv(Variable) == "" {
		go embedded()
	}
}

var embedded = sync.OnceValues(func() (*Image, error) {
	src, err := open(Name)
	if err != nil {
		return nil, err
	}
	defer src.file.Close()
	fd, err := executable(src)
	if err != nil {
		return nil, err
	}
	return &Image{fd: fd, shared: true}, nil
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
