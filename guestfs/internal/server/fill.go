package server

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/nonzero"
)

// Zero overwrites the start of a device, where partition tables and superblocks are,
// with zeros.
func (s *Server) Zero(ctx context.Context, a *rpc.ZeroArgs) error {
	const wipe = 32 * 4096
	return s.zero(ctx, a.Device, wipe)
}

// ZeroDevice overwrites a device with zeros. Blocks that are zeros are not written.
func (s *Server) ZeroDevice(ctx context.Context, a *rpc.ZeroDeviceArgs) error {
	return s.zero(ctx, a.Device, -1)
}

// zero writes zeros where there are none, in the first n bytes of a device, or in all of
// it if n is negative.
func (s *Server) zero(ctx context.Context, device string, n int64) error {
	h, err := s.openPath(device, unix.O_RDWR, 0)
	if err != nil {
		return perror(err, "%s", device)
	}
	size, err := h.Size()
	if err != nil {
		return h.closed(perror(err, "%s", device))
	}
	if n >= 0 {
		size = min(size, n)
	}
	w := &failing{w: &zeroing{h: h}}
	_, err = h.writeTo(ctx, &meter{ctx: ctx, w: w, total: uint64(size)}, 0, size)
	switch {
	case w.err != nil:
		err = perror(w.err, "write: %s", device)
	case err != nil:
		err = perror(err, "read: %s", device)
	}
	return h.closed(err)
}

// zeroing writes zeros over what is none of what it is given.
type zeroing struct {
	h   *handle
	off int64
}

func (z *zeroing) Write(p []byte) (n int, err error) {
	for n < len(p) {
		size := min(len(p)-n, len(zeroes))
		if nonzero.In(p[n : n+size]) {
			if _, err := z.h.WriteAt(zeroes[:size], z.off); err != nil {
				return n, err
			}
		}
		z.off += int64(size)
		n += size
	}
	return n, nil
}

// IsZero reports whether a file is empty or all zeros.
func (s *Server) IsZero(ctx context.Context, a *rpc.IsZeroArgs) (bool, error) {
	return s.isZero(ctx, a.Path)
}

// IsZeroDevice reports whether a device is all zeros.
func (s *Server) IsZeroDevice(ctx context.Context, a *rpc.IsZeroDeviceArgs) (bool, error) {
	return s.isZero(ctx, a.Device)
}

func (s *Server) isZero(ctx context.Context, name string) (bool, error) {
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return false, perror(err, "open: %s", name)
	}
	defer h.close()
	_, err = h.writeTo(ctx, zeroCheck{}, 0, -1)
	if errors.Is(err, errNotZero) {
		return false, nil
	}
	if err != nil {
		return false, perror(err, "read: %s", name)
	}
	return true, nil
}

// Fill makes a file of one byte again and again.
func (s *Server) Fill(ctx context.Context, a *rpc.FillArgs) error {
	switch {
	case a.C < 0 || a.C > 255:
		return errorf("%d: byte number must be in range 0..255", a.C)
	case a.Len < 0:
		return errorf("%d: length is < 0", a.Len)
	}
	return s.fill(ctx, a.Path, string([]byte{byte(a.C)}), int64(a.Len))
}

// FillPattern makes a file of a pattern again and again.
func (s *Server) FillPattern(ctx context.Context, a *rpc.FillPatternArgs) error {
	switch {
	case a.Len < 0:
		return errorf("%d: length is < 0", a.Len)
	case a.Pattern == "":
		return errorf("pattern string must be non-empty")
	}
	return s.fill(ctx, a.Path, a.Pattern, int64(a.Len))
}

func (s *Server) fill(ctx context.Context, p, pattern string, n int64) error {
	h, err := s.openPath(p, writeFlags, s.createPerm())
	if err != nil {
		return perror(err, "open: %s", p)
	}
	var buf []byte
	for len(buf) == 0 || len(buf)+len(pattern) <= pieceSize {
		buf = append(buf, pattern...)
	}
	for done := 0; int64(done) < n && err == nil && ctx.Err() == nil; {
		var k int
		if k, err = h.Write(buf[:min(n-int64(done), int64(len(buf)))]); err != nil {
			err = perror(err, "write: %s", p)
		}
		done += k
		progress(ctx, uint64(done), uint64(n))
	}
	if err == nil {
		err = ctx.Err()
	}
	return h.closed(err)
}

// FillDir makes empty files in a directory, with numbers of eight digits as names.
func (s *Server) FillDir(ctx context.Context, a *rpc.FillDirArgs) error {
	v := s.view()
	var first error
	for done := 0; done < a.Nr && first == nil && ctx.Err() == nil; done += chainLength {
		inChains(v, min(a.Nr-done, chainLength), func(c *chain, i, slot int) {
			c.Mknodat(cwd, fmt.Sprintf("%s/%08d", a.Dir, done+i), unix.S_IFREG|s.createPerm(), 0)
		}, func(i, slot int, err error) {
			if err != nil && err != unix.EEXIST && first == nil {
				first = perror(err, "create: %s/%08d", a.Dir, done+i)
			}
		})
	}
	return first
}

// Fallocate makes a file of zeros with its space reserved.
func (s *Server) Fallocate(ctx context.Context, a *rpc.FallocateArgs) error {
	return s.fallocate(a.Path, int64(a.Len))
}

// Fallocate64 makes a file of zeros with its space reserved.
func (s *Server) Fallocate64(ctx context.Context, a *rpc.Fallocate64Args) error {
	return s.fallocate(a.Path, a.Len)
}

func (s *Server) fallocate(p string, n int64) error {
	h, err := s.openPath(p, writeFlags, s.createPerm())
	if err != nil {
		return perror(err, "open: %s", p)
	}
	err = h.Allocate(0, n)
	if errors.Is(err, unix.EOPNOTSUPP) && n > 0 {
		// As posix_fallocate(3), where the file system cannot.
		err = nil
		for left := n; left > 0 && err == nil; {
			var k int
			k, err = h.Write(zeroes[:min(left, int64(len(zeroes)))])
			left -= int64(k)
		}
	}
	if err != nil {
		err = perror(err, "%s", p)
	}
	return h.closed(err)
}

// ZeroFreeSpace fills the free space of a file system with zeros, by a file that it
// removes at once.
func (s *Server) ZeroFreeSpace(ctx context.Context, a *rpc.ZeroFreeSpaceArgs) error {
	var st unix.Statfs_t
	v := s.view()
	if err := v.Statfs(a.Directory, &st); err != nil {
		return perror(err, "statvfs: %s", a.Directory)
	}
	total := st.Bfree * uint64(st.Bsize)
	var h *handle
	_, err := temporary(a.Directory+"/XXXXXX", "", func(name string) (err error) {
		if h, err = s.openPath(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600); err == nil {
			err = v.Unlinkat(cwd, name, 0)
		}
		return err
	})
	if err != nil {
		return perror(err, "open: %s", a.Directory)
	}
	piece := make([]byte, pieceSize)
	done := uint64(0)
	for ctx.Err() == nil && err == nil {
		var k int
		k, err = h.Write(piece)
		done += uint64(k)
		progress(ctx, done, max(total, done))
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EFBIG) || done > 0 && done >= total {
		// What is left is less than a piece.
		err = nil
		for err == nil && ctx.Err() == nil {
			_, err = h.Write(piece[:512])
		}
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EFBIG) {
			if err = h.Sync(); errors.Is(err, unix.ENOSPC) {
				err = nil
			}
		}
	}
	if err != nil {
		err = perror(err, "write: %s", a.Directory)
	} else {
		err = ctx.Err()
	}
	return h.closed(err)
}
