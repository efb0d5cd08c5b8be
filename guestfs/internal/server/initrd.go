package server

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/cpio"
)

// InitrdList returns the names of the files in an initrd.
func (s *Server) InitrdList(ctx context.Context, a *rpc.InitrdListArgs) ([]string, error) {
	var list lineList
	err := s.initrd(ctx, a.Path, func(m *cpio.Member, r io.Reader) error { return list.add([]byte(m.Name)) })
	if err != nil {
		return nil, err
	}
	return list.list(), nil
}

// InitrdCat returns a file of an initrd.
func (s *Server) InitrdCat(ctx context.Context, a *rpc.InitrdCatArgs) ([]byte, error) {
	var content []byte
	err := s.initrd(ctx, a.Initrdpath, func(m *cpio.Member, r io.Reader) error {
		if m.Name != a.Filename || m.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil
		}
		if m.Size >= protocol.MessageMax-1024 {
			return errorf("%s: file is too large for the protocol", a.Filename)
		}
		content = make([]byte, m.Size)
		if _, err := io.ReadFull(r, content); err != nil {
			return err
		}
		return errEnough
	})
	if err == nil && content == nil {
		err = perror(unix.ENOENT, "%s:%s", a.Initrdpath, a.Filename)
	}
	return content, err
}

// initrd calls do with the members of an initrd until it returns an error, of which
// errEnough is none of the caller's.
func (s *Server) initrd(ctx context.Context, p string, do func(*cpio.Member, io.Reader) error) error {
	h, err := s.openRead(p)
	if err != nil {
		return err
	}
	defer h.close()
	err = cpio.ReadInitrd(ctx, h, do)
	if err == nil || err == errEnough {
		return nil
	}
	return perror(err, "%s", p)
}
