package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/scrub"
)

// The scrub family overwrites as scrub(1) does if it is told nothing else: twice with
// random data and once with zeros, which are read back.

// scrub overwrites the first n bytes of what is open.
func (h *handle) scrub(ctx context.Context, n int64) error {
	return h.scrubError(scrub.Overwrite(ctx, h, n))
}

// scrubError words an error of package scrub.
func (h *handle) scrubError(err error) error {
	var call *os.SyscallError
	switch {
	case err == scrub.ErrMismatch:
		return errorf("%s: %v", h.Name(), err)
	case errors.As(err, &call):
		return perror(call.Err, "%s: %s", call.Syscall, h.Name())
	}
	return err
}

// ScrubDevice overwrites a device.
func (s *Server) ScrubDevice(ctx context.Context, a *rpc.ScrubDeviceArgs) error {
	h, err := s.openPath(a.Device, unix.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return perror(err, "open: %s", a.Device)
	}
	size, err := h.Size()
	if err == nil {
		err = h.scrub(ctx, size)
	}
	return h.closed(err)
}

// ScrubFile overwrites a file and removes it.
func (s *Server) ScrubFile(ctx context.Context, a *rpc.ScrubFileArgs) error {
	// As scrub(1), through symbolic links; the file goes, and the link stays.
	real, err := s.realpath(a.File)
	if err != nil {
		return perror(err, "realpath: %s", a.File)
	}
	st, err := s.stat(real)
	if err == nil && fileType(&st) != unix.S_IFREG {
		return errorf("%s: not a regular file", a.File)
	}
	var h *handle
	if err == nil {
		h, err = s.openPath(real, unix.O_RDWR, 0)
	}
	if err != nil {
		return perror(err, "%s", a.File)
	}
	// The rest of the last block may have something of an older file.
	const block = 4096
	size := (int64(st.Size) + block - 1) / block * block
	if err := h.closed(h.scrub(ctx, size)); err != nil {
		return err
	}
	if err := s.view().Unlinkat(cwd, real, 0); err != nil {
		return perror(err, "unlink: %s", a.File)
	}
	return nil
}

// scrubFileSize is how large the files are that ScrubFreespace makes, in bytes: FAT has
// no larger ones than 4 GiB.
const scrubFileSize = 1 << 30

// ScrubFreespace makes a directory, fills it with files until the file system is full,
// overwrites them, and removes them and it.
func (s *Server) ScrubFreespace(ctx context.Context, a *rpc.ScrubFreespaceArgs) error {
	v := s.view()
	if err := v.Mkdirat(cwd, a.Dir, 0o755); err != nil {
		return perror(err, "%s", a.Dir)
	}
	var files []*handle
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	for full := false; !full && first == nil; {
		name := fmt.Sprintf("%s/scrub.%03d", a.Dir, len(files))
		h, err := s.openPath(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
		if errors.Is(err, unix.ENOSPC) && len(files) > 0 {
			break
		}
		if err != nil {
			keep(perror(err, "open: %s", name))
			break
		}
		files = append(files, h)
		full, err = scrub.Fill(ctx, h, scrubFileSize)
		keep(h.scrubError(err))
	}
	for _, h := range files {
		if first == nil {
			size, err := h.Size()
			keep(err)
			keep(h.scrub(ctx, size))
		}
	}
	for _, h := range files {
		if err := h.close(); err != nil {
			keep(perror(err, "close: %s", h.Name()))
		}
		if err := v.Unlinkat(cwd, h.Name(), 0); err != nil {
			keep(perror(err, "unlink: %s", h.Name()))
		}
	}
	if err := v.Unlinkat(cwd, a.Dir, unix.AT_REMOVEDIR); err != nil {
		keep(perror(err, "rmdir: %s", a.Dir))
	}
	return first
}
