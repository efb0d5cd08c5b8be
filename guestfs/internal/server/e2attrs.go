package server

import (
	"context"
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// The ioctls of linux/fs.h for the flags and the version of a file. Those of them with a
// long in their number take 32 bits all the same.
const (
	fsIocGetflags   = 0x80086601
	fsIocSetflags   = 0x40086602
	fsIocGetversion = 0x80087601
	fsIocSetversion = 0x40087602
)

// e2Flags are the letters of lsattr(1) and chattr(1), sorted, with their bits in
// linux/fs.h.
var e2Flags = []struct {
	letter byte
	bit    uint32
}{
	{'A', 0x80},
	{'C', 0x800000},
	{'D', 0x10000},
	{'E', 0x800},
	{'F', 0x40000000},
	{'I', 0x1000},
	{'N', 0x10000000},
	{'P', 0x20000000},
	{'S', 0x8},
	{'T', 0x20000},
	{'V', 0x100000},
	{'a', 0x20},
	{'c', 0x4},
	{'d', 0x40},
	{'e', 0x80000},
	{'i', 0x10},
	{'j', 0x4000},
	{'s', 0x1},
	{'t', 0x8000},
	{'u', 0x2},
	{'x', 0x2000000},
}

// e2Open opens a file, or a directory, for an ioctl.
func (s *Server) e2Open(p string) (*handle, error) {
	h, err := s.openPath(p, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, programError(err, "open: %s", p)
	}
	return h, nil
}

func (h *handle) flags() (uint32, error) {
	flags, err := h.View().IoctlGetUint32(h.Fd(), fsIocGetflags)
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
	var b strings.Builder
	for _, f := range e2Flags {
		if flags&f.bit != 0 {
			b.WriteByte(f.letter)
		}
	}
	return b.String(), nil
}

// SetE2attrs adds attributes to those of a file, or takes them away.
func (s *Server) SetE2attrs(ctx context.Context, a *rpc.SetE2attrsArgs) error {
	bits := uint32(0)
	for _, c := range []byte(a.Attrs) {
		bit := uint32(0)
		for _, f := range e2Flags {
			if f.letter == c {
				bit = f.bit
			}
		}
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
	if _, err := h.View().Ioctl(h.Fd(), fsIocSetflags, binary.LittleEndian.AppendUint64(nil, uint64(flags))); err != nil {
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
	version, err := h.View().IoctlGetUint32(h.Fd(), fsIocGetversion)
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
	if _, err := h.View().Ioctl(h.Fd(), fsIocSetversion, binary.LittleEndian.AppendUint64(nil, uint64(uint32(a.Generation)))); err != nil {
		return perror(err, "setting version on %s", a.File)
	}
	return nil
}
