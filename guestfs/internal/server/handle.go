package server

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A handle is an open file or device of the kernel.
type handle struct {
	v    *lkl.View
	fd   int
	path string // for errors
	off  int64  // of Read and Write

	changed func() // called after a device was written to, or nil
}

// openPath opens a file, or a device, whichever a name is.
func (s *Server) openPath(name string, flags int, perm uint32) (*handle, error) {
	var v *lkl.View
	var changed func()
	if s.isDevice(name) {
		if flags&unix.O_ACCMODE != unix.O_RDONLY {
			changed = s.devicesChanged
		}
		img, err := s.image()
		if err != nil {
			return nil, err
		}
		v, flags = &img.Kernel().View, flags&^(unix.O_CREAT|unix.O_TRUNC|unix.O_APPEND)
	} else {
		v = s.view()
	}
	fd, err := v.Open(name, flags|openFlags, perm)
	if err != nil {
		return nil, err
	}
	return &handle{v: v, fd: fd, path: name, changed: changed}, nil
}

// openRead opens what is to be read, which must not be a directory. Errors are worded.
func (s *Server) openRead(name string) (*handle, error) {
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, perror(err, "%s", name)
	}
	st, err := h.stat()
	switch {
	case err != nil:
		err = perror(err, "%s", name)
	case fileType(&st) == unix.S_IFDIR:
		err = errorf("%s: is a directory", name)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// createPerm is what files are made with.
func (s *Server) createPerm() uint32 { return 0o666 &^ s.umask }

// replace gives a file another content. It is cut off at the end, not emptied first: a
// disk without room for the new one does not lose the old one's beginning before it says
// so.
func (h *handle) replace(data []byte) error {
	if _, err := h.WriteAt(data, 0); err != nil {
		return err
	}
	return h.v.Ftruncate(h.fd, int64(len(data)))
}

func (h *handle) close() error {
	if h.changed != nil {
		defer h.changed()
	}
	return h.v.CloseFd(h.fd)
}

// closed closes what was written to, and returns the first error.
func (h *handle) closed(err error) error {
	if cerr := h.close(); err == nil && cerr != nil {
		return perror(cerr, "close: %s", h.path)
	}
	return err
}

func (h *handle) stat() (st unix.Statx_t, err error) {
	err = h.v.Fstatx(h.fd, statMask, &st)
	return st, err
}

// size returns the size of a file or a device in bytes.
func (h *handle) size() (int64, error) {
	st, err := h.stat()
	if err == nil && fileType(&st) == unix.S_IFBLK {
		n, err := h.v.IoctlGetUint64(h.fd, unix.BLKGETSIZE64)
		return int64(n), err
	}
	return int64(st.Size), err
}

// ReadAt is io.ReaderAt's.
func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	n, err = h.v.Pread(h.fd, p, off)
	if n = max(n, 0); err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Read is io.Reader's.
func (h *handle) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := h.ReadAt(p, h.off)
	h.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// WriteAt is io.WriterAt's.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	n, err := h.v.Pwrite(h.fd, p, off)
	if errors.Is(err, io.ErrShortWrite) {
		err = unix.ENOSPC // what the kernel would say, asked once more
	}
	return max(n, 0), err
}

// Write is io.Writer's.
func (h *handle) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := h.WriteAt(p, h.off)
	h.off += int64(n)
	return n, err
}

// pieceSize is how much is read or written in a call to the kernel.
const pieceSize = 1 << 20

// writeTo writes n bytes from off on to w, or what there is, if n is negative. What w
// gets is memory that the kernel's process can change: w must copy it and not compute
// with it. Two pieces are on their way: one is read while another is written.
func (h *handle) writeTo(ctx context.Context, w io.Writer, off, n int64) (done int64, err error) {
	if n == 0 {
		return 0, nil
	}
	type piece struct {
		p   []byte
		err error
	}
	size, slots := pieceSize, 2
	if end, err := h.size(); err == nil {
		left := end - off
		if n >= 0 {
			left = min(left, n)
		}
		if left < pieceSize {
			// Small: one piece, which is not read ahead of.
			size, slots = int(max(left, 0))/pageSize*pageSize+pageSize, 1
		}
	}
	buf, err := h.v.Kernel().Alloc(size * slots)
	if err != nil {
		return 0, err
	}
	defer buf.Free()
	full := make(chan piece, slots)
	empty := make(chan []byte, slots)
	for i := range slots {
		empty <- buf.Bytes()[i*size:][:size]
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(full)
		for at, left := off, n; left != 0; {
			mem, ok := <-empty
			if !ok {
				return
			}
			if left > 0 {
				mem = mem[:min(left, int64(len(mem)))]
			}
			k, err := h.v.PreadDirect(h.fd, mem, at)
			k = max(k, 0)
			full <- piece{mem[:k], err}
			if err != nil || k < len(mem) {
				return
			}
			at += int64(k)
			if left > 0 {
				left -= int64(k)
			}
		}
	}()
	defer func() {
		close(empty)
		<-ended
	}()
	for p := range full {
		if len(p.p) > 0 {
			m, err := w.Write(p.p)
			done += int64(m)
			if err != nil {
				return done, err
			}
		}
		if p.err == nil {
			p.err = ctx.Err()
		}
		if p.err != nil {
			return done, p.err
		}
		empty <- p.p[:size:cap(p.p)][:size]
	}
	return done, nil
}

const pageSize = 4096

// private is a writer that gets a copy of what writeTo gives out, to compute with.
type private struct {
	w   io.Writer
	buf []byte
}

func (p *private) Write(b []byte) (int, error) {
	p.buf = append(p.buf[:0], b...)
	return p.w.Write(p.buf)
}

// meter reports how much was written.
type meter struct {
	ctx         context.Context
	w           io.Writer
	done, total uint64
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.w.Write(b)
	m.done += uint64(n)
	progress(m.ctx, m.done, m.total)
	return n, err
}
