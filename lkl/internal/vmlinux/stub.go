package vmlinux

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// stubName is the embedded program that makes the address spaces of programs, which is
// built with the loader (kernel/arch/lkl/host/stub).
const stubName = "image/stub"

// Stub returns that program: the embedded one, or the file stub beside the kernel that
// Variable names.
func Stub() (*Image, error) {
	path := os.Getenv(Variable)
	if path == "" {
		return embeddedStub()
	}
	path = filepath.Join(filepath.Dir(path), "stub")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	} else if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	fd, err = moveUp(fd)
	return &Image{fd: fd, Kernel: -1}, err
}

// embeddedStub is the stub in a sealed memfd.
var embeddedStub = sync.OnceValues(func() (*Image, error) {
	s, err := open(stubName)
	if err != nil {
		return nil, err
	}
	defer s.file.Close()
	fd, err := executable(s)
	if err != nil {
		return nil, err
	}
	return &Image{fd: fd, shared: true, Kernel: -1}, nil
})
