package cpio

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A Writer writes an archive.
type Writer struct {
	w      io.Writer
	magic  string
	off    int64
	left   int64 // bytes of the current member that are to come
	err    error
	inodes map[[3]uint64]uint32 // numbers of files, by which hard links are known
}

// NewWriter returns a writer of an archive of the format "newc", or "crc" if it is to have
// sums of the contents. It writes many small pieces, so w should be buffered.
func NewWriter(w io.Writer, crc bool) *Writer {
	magic := magicNewc
	if crc {
		magic = magicCRC
	}
	return &Writer{w: w, magic: magic, inodes: map[[3]uint64]uint32{}}
}

// Write writes the content of the current member, as io.Writer. The first error sticks.
func (c *Writer) Write(p []byte) (int, error) {
	if c.err == nil && int64(len(p)) > c.left {
		c.err = ErrTooLarge
	}
	n := c.write(p)
	c.left -= int64(n)
	return n, c.err
}

func (c *Writer) write(p []byte) (n int) {
	if c.err == nil {
		n, c.err = c.w.Write(p)
		c.off += int64(n)
	}
	return n
}

func (c *Writer) zeros(n int64) {
	var zeros [4096]byte
	for ; n > 0 && c.err == nil; n -= int64(len(zeros)) {
		c.write(zeros[:min(n, int64(len(zeros)))])
	}
}

// pad ends the current member. What a file lacks that has become shorter is zeros.
func (c *Writer) pad(to int64) {
	c.zeros(c.left)
	c.left = 0
	c.zeros((to - c.off%to) % to)
}

// Add begins a member with the attributes of a file and size bytes of content, which
// Write gets. sum is that of the content, a [Sum], if the archive is to have sums. Of a
// file with several names, each has the content.
func (c *Writer) Add(name string, st *unix.Statx_t, size int64, sum Sum) error {
	if size >= 1<<32 {
		return ErrTooLarge
	}
	c.header(name, st, c.inode(st), size, sum)
	return c.err
}

func (c *Writer) header(name string, st *unix.Statx_t, ino uint32, size int64, sum Sum) {
	c.pad(4)
	c.write(fmt.Appendf(nil, "%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", c.magic,
		ino, uint32(st.Mode), st.Uid, st.Gid, st.Nlink, uint32(st.Mtime.Sec), size,
		st.Dev_major, st.Dev_minor, st.Rdev_major, st.Rdev_minor, len(name)+1, uint32(sum), name))
	c.pad(4)
	c.left = size
}

// inode returns the number of a file in the archive, the same for all its names.
func (c *Writer) inode(st *unix.Statx_t) uint32 {
	id := [3]uint64{uint64(st.Dev_major), uint64(st.Dev_minor), st.Ino}
	ino, again := c.inodes[id]
	if again {
		return ino
	}
	ino = uint32(len(c.inodes) + 1)
	if st.Nlink < 2 || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		// It has no other name: its number is kept from all others.
		id = [3]uint64{1 << 63, 0, uint64(ino)}
	}
	c.inodes[id] = ino
	return ino
}

// Close ends the archive. It does not close what it is written to.
func (c *Writer) Close() error {
	c.header(trailer, &unix.Statx_t{Nlink: 1}, 0, 0, 0)
	c.pad(blockBytes)
	return c.err
}

// Sum is the sum of bytes that the format "crc" has of a content, which is written to it.
type Sum uint32

// Write implements io.Writer.
func (s *Sum) Write(p []byte) (int, error) {
	for _, b := range p {
		*s += Sum(b)
	}
	return len(p), nil
}
