package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Pipe returns the two ends of a pipe, as pipe2(2) with O_CLOEXEC: what one task of the
// kernel writes, as for an ioctl(2) that sends, another call reads.
//
// A call that waits for the other end takes one of the workers (see [Config.Workers]), so
// there must be at least two. The end to read from must not be closed before what writes
// has ended: it would get a SIGPIPE, which nothing here could ever take away from a worker.
func (k *Kernel) Pipe() (r, w int, err error) {
	c, err := k.begin()
	if err != nil {
		return -1, -1, err
	}
	defer c.end()
	mem, addr := c.room(8)
	if _, err := c.do(sysPipe2, addr, unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	return int(binary.LittleEndian.Uint32(mem)), int(binary.LittleEndian.Uint32(mem[4:])), nil
}

// Fcntl makes an fcntl(2) whose argument is a number.
func (v *View) Fcntl(fd, cmd, arg int) (int, error) {
	return v.call(sysFcntl, uint64(fd), uint64(cmd), uint64(arg))
}
