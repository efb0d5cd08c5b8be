package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// The format of cpio is the "new ASCII" one of cpio(5): a header of a magic number and
// thirteen numbers of eight hexadecimal digits, the name with a NUL, zeros up to a
// multiple of four bytes, and the content, with such zeros too.
const (
	cpioNewc    = "070701"
	cpioCRC     = "070702" // with a sum of the bytes
	cpioHeader  = 110
	cpioTrailer = "TRAILER!!!"
	cpioBlock   = 512 // the archive's length is a multiple of it
)

// CpioOut writes a directory as an archive of cpio(1). Its members are "." and what is
// below. Files of 4 GiB or more do not fit the format.
func (s *Server) CpioOut(ctx context.Context, a *rpc.CpioOutArgs, out io.Writer) error {
	magic := cpioNewc
	switch a.Format.Or("newc") {
	case "newc":
	case "crc":
		magic = cpioCRC
	default:
		return errorf("%s: format must be 'newc' or 'crc'", a.Format.Value)
	}
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 256<<10)
	c := &cpioWriter{s: s, w: buffered, magic: magic, inodes: map[[3]uint64]uint32{}}
	for e, err := range s.tree().Walk(root, &unboot.WalkOptions{Links: true}) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = c.add(ctx, e, below(root, e.Path()))
		}
		if err != nil {
			return err
		}
	}
	c.magic = cpioNewc
	if magic == cpioCRC {
		c.magic = cpioCRC
	}
	c.header(cpioTrailer, &unix.Statx_t{Nlink: 1}, 0, 0, 0)
	c.pad(cpioBlock)
	if c.err != nil {
		return c.err
	}
	return buffered.Flush()
}

// cpioWriter is an archive being written.
type cpioWriter struct {
	s      *Server
	w      io.Writer
	magic  string
	off    int64
	err    error
	inodes map[[3]uint64]uint32 // numbers of files, which say what are hard links
}

// Write implements io.Writer. The first error sticks.
func (c *cpioWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	var n int
	n, c.err = c.w.Write(p)
	c.off += int64(n)
	return n, c.err
}

func (c *cpioWriter) pad(to int64) {
	if n := (to - c.off%to) % to; n > 0 {
		c.Write(zeros[:n])
	}
}

func (c *cpioWriter) header(name string, st *unix.Statx_t, ino uint32, size int64, sum uint32) {
	fmt.Fprintf(c, "%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", c.magic,
		ino, uint32(st.Mode), st.Uid, st.Gid, st.Nlink, uint32(st.Mtime.Sec), size,
		st.Dev_major, st.Dev_minor, st.Rdev_major, st.Rdev_minor, len(name)+1, sum, name)
	c.pad(4)
}

func (c *cpioWriter) add(ctx context.Context, e *unboot.Entry, name string) error {
	if name == "" {
		name = "."
	}
	st := e.Stat
	id := [3]uint64{uint64(st.Dev_major), uint64(st.Dev_minor), st.Ino}
	ino, again := c.inodes[id]
	if !again {
		ino = uint32(len(c.inodes) + 1)
		if st.Nlink > 1 && !e.IsDir() {
			c.inodes[id] = ino
		} else {
			// A number that nothing else gets.
			c.inodes[[3]uint64{1 << 63, 0, uint64(ino)}] = ino
		}
	}
	switch fileType(&st) {
	case unix.S_IFLNK:
		c.header(name, &st, ino, int64(len(e.Link)), 0)
		io.WriteString(c, e.Link)
		c.pad(4)
		return c.err
	case unix.S_IFREG:
		return c.file(ctx, e, name, &st, ino)
	case unix.S_IFSOCK:
		return nil
	}
	c.header(name, &st, ino, 0, 0)
	return c.err
}

// file writes a regular file. Of one with several names, each has the content.
func (c *cpioWriter) file(ctx context.Context, e *unboot.Entry, name string, st *unix.Statx_t, ino uint32) error {
	size := e.Size()
	if size >= 1<<32 {
		return errorf("cpio: %s: the file is too large for the format", name)
	}
	h, err := c.s.openPath(guestPath(e.Path()), unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return perror(err, "%s", guestPath(e.Path()))
	}
	defer h.close()
	var sum byteSum
	if c.magic == cpioCRC {
		if _, err := h.writeTo(ctx, &sum, 0, size); err != nil {
			return perror(err, "%s", h.path)
		}
	}
	c.header(name, st, ino, size, uint32(sum))
	n, err := h.writeTo(ctx, c, 0, size)
	if err != nil {
		return err
	}
	for ; n < size && c.err == nil; n += int64(len(zeros)) { // it has become shorter
		c.Write(zeros[:min(int64(len(zeros)), size-n)])
	}
	c.pad(4)
	return c.err
}

// byteSum adds up bytes.
type byteSum uint32

func (s *byteSum) Write(p []byte) (int, error) {
	for _, b := range p {
		*s += byteSum(b)
	}
	return len(p), nil
}

// cpioMember is a file of an archive.
type cpioMember struct {
	name string
	mode uint32
	size int64
}

// cpioReader reads archives, also several one behind the other, as an initrd can be.
type cpioReader struct {
	r   *bufio.Reader
	off int64
}

var errCpio = errors.New("not an archive of cpio, or a damaged one")

// Read reads of the current member, for whom it is to stop.
func (c *cpioReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.off += int64(n)
	return n, err
}

func (c *cpioReader) skip(n int64) error {
	_, err := io.CopyN(io.Discard, c, n)
	return err
}

// next returns the next member, or nil at the mark of an archive's end. The caller has
// read the content of the one before, and its padding.
func (c *cpioReader) next() (*cpioMember, error) {
	b := make([]byte, cpioHeader)
	if _, err := io.ReadFull(c, b); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = errCpio
		}
		return nil, err
	}
	if m := string(b[:6]); m != cpioNewc && m != cpioCRC {
		return nil, errCpio
	}
	var f [13]uint32
	for i := range f {
		if _, err := fmt.Sscanf(string(b[6+8*i:14+8*i]), "%08x", &f[i]); err != nil {
			return nil, errCpio
		}
	}
	m := &cpioMember{mode: f[1], size: int64(f[6])}
	if f[11] == 0 || f[11] > unix.PathMax {
		return nil, errCpio
	}
	name := make([]byte, f[11])
	if _, err := io.ReadFull(c, name); err != nil {
		return nil, errCpio
	}
	name, _, _ = bytes.Cut(name, []byte{0})
	m.name = string(name)
	if err := c.skip(-c.off & 3); err != nil {
		return nil, errCpio
	}
	if m.name == cpioTrailer {
		return nil, nil
	}
	return m, nil
}
