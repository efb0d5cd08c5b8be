package lkl

import (
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pipes numbers the names of pipes, which exist for a moment only.
var pipes atomic.Uint64

// Pipe returns the two ends of a pipe, as pipe2(2) with O_CLOEXEC: what one task of the
// kernel writes, as for an ioctl(2) that sends, another call reads.
//
// A call that waits for the other end takes one of the workers (see [Config.Workers]), so
// there must be at least two. The end to read from must not be closed before what writes
// has ended: it would get a SIGPIPE, which nothing here could ever take away from a worker.
func (k *Kernel) Pipe() (r, w int, err error) {
	// A FIFO is the same to the kernel, and needs no further system call.
	path := "/pipe-" + strconv.FormatUint(pipes.Add(1), 10)
	if err := k.Mknodat(unix.AT_FDCWD, path, unix.S_IFIFO|0o600, 0); err != nil {
		return -1, -1, err
	}
	defer k.Unlinkat(unix.AT_FDCWD, path, 0)
	// Opened for one direction it would wait for the other.
	both, err := k.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	defer k.CloseFd(both)
	if r, err = k.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return -1, -1, err
	}
	if w, err = k.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
		k.CloseFd(r)
		return -1, -1, err
	}
	return r, w, nil
}

// Fcntl makes an fcntl(2) whose argument is a number.
func (v *View) Fcntl(fd, cmd, arg int) (int, error) {
	return v.call(sysFcntl, uint64(fd), uint64(cmd), uint64(arg))
}
