package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl"
)

// e2Open opens a file, or a directory, for an ioctl.
func (s *Server) e2Open(p string) (*handle, error) {
	h, err := s.openPath(p, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, programError(err, "open: %s", p)
	}
	return h, nil
}

// file is what package fsctl knows an open file as.
func (h *handle) file() fsctl.File { return fsctl.File{View: h.View(), FD: h.Fd()} }

func (h *handle) flags() (fsctl.Flags, error) {
	flags, err := h.file().Flags()
	if err != nil {
		return 0, programError(err, "reading flags on %s", h.Name())
	}
	return flags, nil
}

// GetE2attrs returns the attributes of a file as letters of chattr(1).
func (s *Server) GetE2attrs(ctx context.Context, a *rpc.GetE2attrsArgs) (string, error) {
	h, err := s.e2Open(a.File)
	if err != nil {
		return "", err
	}
	defer h.close()
	flags, err := h.flags()
	if err != nil {
		return "", err
	}
	return flags.String(), nil
}

// SetE2attrs adds attributes to those of a file, or takes them away.
func (s *Server) SetE2attrs(ctx context.Context, a *rpc.SetE2attrsArgs) error {
	bits := fsctl.Flags(0)
	for _, c := range []byte(a.Attrs) {
		bit := fsctl.FlagOf(c)
		switch {
		case bit == 0:
			return errorf("unknown file attribute '%c'", c)
		case bits&bit != 0:
			return errorf("duplicate file attribute '%c'", c)
		}
		bits |= bit
	}
	if bits == 0 {
		return nil
	}
	h, err := s.e2Open(a.File)
	if err != nil {
		return err
	}
	defer h.close()
	flags, err := h.flags()
	if err != nil {
		return err
	}
	if flags |= bits; a.Clear.Or(false) {
		flags &^= bits
	}
	if err := h.file().SetFlags(flags); err != nil {
		return perror(err, "setting flags on %s", a.File)
	}
	return nil
}

// GetE2generation returns the generation, or version, of a file.
func (s *Server) GetE2generation(ctx context.Context, a *rpc.GetE2generationArgs) (int64, error) {
	h, err := s.e2Open(a.File)
	if err != nil {
		return 0, err
	}
	defer h.close()
	version, err := h.file().Version()
	if err != nil {
		return 0, perror(err, "reading version on %s", a.File)
	}
	return int64(version), nil
}

// SetE2generation sets the generation of a file.
func (s *Server) SetE2generation(ctx context.Context, a *rpc.SetE2generationArgs) error {
	h, err := s.e2Open(a.File)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.file().SetVersion(uint32(a.Generation)); err != nil {
		return perror(err, "setting version on %s", a.File)
	}
	return nil
}
