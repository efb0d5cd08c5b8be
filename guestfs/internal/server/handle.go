package server

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// A handle is an open file of the guest, or a device.
type handle struct {
	*unboot.File
	changed func() // called after a device was written to, or nil
}

// openPath opens a file, or a device, whichever a name is.
func (s *Server) openPath(name string, flags int, perm uint32) (*handle, error) {
	if !s.isDevice(name) {
		f, err := s.tree().OpenPath(name, flags, perm)
		return &handle{File: f}, err
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	h := &handle{}
	if flags&unix.O_ACCMODE != unix.O_RDONLY {
		h.changed = s.devicesChanged
	}
	h.File, err = img.OpenNode(name, flags)
	return h, err
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
	return h.Truncate(int64(len(data)))
}

func (h *handle) close() error {
	if h.changed != nil {
		defer h.changed()
	}
	return h.Close()
}

// closed closes what was written to, and returns the first error.
func (h *handle) closed(err error) error {
	if cerr := h.close(); err == nil && cerr != nil {
		return perror(cerr, "close: %s", h.Name())
	}
	return err
}

func (h *handle) stat() (st unix.Statx_t, err error) {
	err = h.View().Fstatx(h.Fd(), statMask, &st)
	return st, err
}

// writeTo writes n bytes from off on to w, or what there is, if n is negative.
func (h *handle) writeTo(ctx context.Context, w io.Writer, off, n int64) (done int64, err error) {
	return h.WriteRangeTo(&bounded{ctx, w}, off, n)
}

// writeShared is writeTo for a writer that only copies what it gets: its memory can be
// changed by the kernel's process.
func (h *handle) writeShared(ctx context.Context, w io.Writer, off, n int64) (done int64, err error) {
	return h.WriteRangeTo(shared{bounded{ctx, w}}, off, n)
}

// reader is a handle until ctx ends.
type reader struct {
	ctx context.Context
	*handle
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.handle.Read(p)
}

// bounded is a writer until ctx ends.
type bounded struct {
	ctx context.Context
	w   io.Writer
}

func (b bounded) Write(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.w.Write(p)
}

// shared implements unboot.SharedWriter.
type shared struct{ bounded }

func (s shared) WriteShared(p []byte) (int, error) { return s.Write(p) }

// pieceSize is how much the server makes up or looks at in one go.
const pieceSize = 1 << 20

const pageSize = 4096

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
