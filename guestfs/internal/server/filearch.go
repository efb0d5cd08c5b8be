package server

import (
	"bytes"
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/cpio"
)

// archHead is as much of a program as [inspect.FileArch] wants, in bytes.
const archHead = 4096

// FileArchitecture returns the architecture of a program, a library or a kernel module,
// or that of the first program in an initrd.
func (s *Server) FileArchitecture(ctx context.Context, a *rpc.FileArchitectureArgs) (string, error) {
	h, err := s.openRead(a.Filename)
	if err != nil {
		return "", err
	}
	defer h.close()
	head, err := readHead(h)
	if err != nil {
		return "", perror(err, "%s", a.Filename)
	}
	if arch := inspect.FileArch(head); arch != "" {
		return arch, nil
	}
	// Kernel modules are compressed. What is wrong with what only looks so is no matter.
	if method := compression.Detect(head); method != "" {
		if z, err := compression.NewReader(method, io.MultiReader(bytes.NewReader(head), h)); err == nil {
			unpacked, _ := readHead(z)
			if arch := inspect.FileArch(unpacked); arch != "" {
				return arch, nil
			}
		}
	}
	var arch string
	// What is no initrd has no architecture either; what is wrong with it is no matter.
	_ = s.initrd(ctx, a.Filename, func(m *cpio.Member, r io.Reader) error {
		if m.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil
		}
		head, err := readHead(r)
		if err != nil {
			return err
		}
		if arch = inspect.FileArch(head); arch != "" {
			return errEnough
		}
		return nil
	})
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if arch == "" {
		return "", errorf("unknown architecture: %s", a.Filename)
	}
	return arch, nil
}

// readHead reads the first archHead bytes, or all if there are fewer.
func readHead(r io.Reader) ([]byte, error) {
	b := make([]byte, archHead)
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return b[:n], err
}
