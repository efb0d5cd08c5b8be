package server

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/nonzero"
)

// copyArgs are the arguments of the family of copy_device_to_file.
type copyArgs struct {
	src, dest          string
	srcOffset, destOff rpc.Opt[int64]
	size               rpc.Opt[int64]
	sparse, append     bool
}

// CopyDeviceToDevice copies a device, or a part of it, to another.
func (s *Server) CopyDeviceToDevice(ctx context.Context, a *rpc.CopyDeviceToDeviceArgs) error {
	return s.copyData(ctx, copyArgs{a.Src, a.Dest, a.Srcoffset, a.Destoffset, a.Size, a.Sparse.Or(false), a.Append.Or(false)})
}

// CopyDeviceToFile copies a device, or a part of it, to a file.
func (s *Server) CopyDeviceToFile(ctx context.Context, a *rpc.CopyDeviceToFileArgs) error {
	return s.copyData(ctx, copyArgs{a.Src, a.Dest, a.Srcoffset, a.Destoffset, a.Size, a.Sparse.Or(false), a.Append.Or(false)})
}

// CopyFileToDevice copies a file, or a part of it, to a device.
func (s *Server) CopyFileToDevice(ctx context.Context, a *rpc.CopyFileToDeviceArgs) error {
	return s.copyData(ctx, copyArgs{a.Src, a.Dest, a.Srcoffset, a.Destoffset, a.Size, a.Sparse.Or(false), a.Append.Or(false)})
}

// CopyFileToFile copies a file, or a part of it, to another.
func (s *Server) CopyFileToFile(ctx context.Context, a *rpc.CopyFileToFileArgs) error {
	return s.copyData(ctx, copyArgs{a.Src, a.Dest, a.Srcoffset, a.Destoffset, a.Size, a.Sparse.Or(false), a.Append.Or(false)})
}

// CopySize copies the first bytes of a file or device.
func (s *Server) CopySize(ctx context.Context, a *rpc.CopySizeArgs) error {
	return s.copyData(ctx, copyArgs{src: a.Src, dest: a.Dest, size: rpc.Some(a.Size)})
}

// Dd copies a file or device.
func (s *Server) Dd(ctx context.Context, a *rpc.DdArgs) error {
	return s.copyData(ctx, copyArgs{src: a.Src, dest: a.Dest})
}

func (s *Server) copyData(ctx context.Context, a copyArgs) error {
	for _, o := range []struct {
		name string
		v    rpc.Opt[int64]
	}{{"srcoffset", a.srcOffset}, {"destoffset", a.destOff}, {"size", a.size}} {
		if o.v.Set && o.v.Value < 0 {
			return errorf("%s is < 0", o.name)
		}
	}
	size := a.size.Or(-1)
	if !a.size.Set {
		size = -1
	}
	in, err := s.openPath(a.src, unix.O_RDONLY, 0)
	if err != nil {
		return perror(err, "%s", a.src)
	}
	defer in.close()
	flags := writeFlags
	if a.append {
		flags &^= unix.O_TRUNC
	}
	out, err := s.openPath(a.dest, flags, s.createPerm())
	if err != nil {
		return perror(err, "%s", a.dest)
	}
	return out.closed(in.copyRange(ctx, out, a, size))
}

// copyRange copies size bytes, or all there are if size is negative.
func (h *handle) copyRange(ctx context.Context, out *handle, a copyArgs, size int64) error {
	at := a.destOff.Or(0)
	st, err := out.stat()
	if err != nil {
		return perror(err, "stat: %s", out.Name())
	}
	device := fileType(&st) == unix.S_IFBLK
	if a.append && !device {
		at = int64(st.Size)
	}
	if limit, err := out.Size(); device && err == nil && at > limit {
		return perror(unix.EINVAL, "lseek: %s", out.Name())
	}
	total, err := h.Size()
	if err != nil {
		return perror(err, "stat: %s", h.Name())
	}
	if total = max(total-a.srcOffset.Or(0), 0); size >= 0 {
		total = size
	}
	dest := io.NewOffsetWriter(out, at)
	w := &failing{w: dest}
	write, m := h.writeShared, &meter{ctx: ctx, w: w, total: uint64(total)}
	if a.sparse {
		write, m.w = h.writeTo, &sparse{to: dest, w: w}
	}
	n, err := write(ctx, m, a.srcOffset.Or(0), size)
	switch {
	case w.err != nil:
		return perror(w.err, "write: %s", out.Name())
	case err != nil:
		return perror(err, "read: %s", h.Name())
	case n < size:
		return errorf("%s: input too short", h.Name())
	}
	if end := at + n; a.sparse && !device {
		if size, err := out.Size(); err == nil && size < end {
			if err := out.Truncate(end); err != nil {
				return perror(err, "ftruncate: %s", out.Name())
			}
		}
	}
	return nil
}

// sparse leaves out of a file the blocks of zeros.
type sparse struct {
	to *io.OffsetWriter
	w  io.Writer // writes to to
}

func (z *sparse) Write(p []byte) (n int, err error) {
	for n < len(p) {
		size := min(len(p)-n, pageSize)
		block := p[n : n+size]
		if !nonzero.In(block) {
			z.to.Seek(int64(size), io.SeekCurrent)
		} else if _, err := z.w.Write(block); err != nil {
			return n, err
		}
		n += size
	}
	return n, nil
}

// zeroes are written where zeros are to be.
var zeroes [64 << 10]byte

var errNotZero = errors.New("not zero")

// zeroCheck is a writer that fails for what is not zero.
type zeroCheck struct{}

func (zeroCheck) Write(p []byte) (int, error) {
	if nonzero.In(p) {
		return 0, errNotZero
	}
	return len(p), nil
}
