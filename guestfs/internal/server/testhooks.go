package server

import (
	"context"
	"io"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Mount9p would mount what the host shares with the appliance. Nothing is: see [Server.List9p].
func (s *Server) Mount9p(ctx context.Context, a *rpc.Mount9pArgs) error {
	return errorf("mount: %s: special device %s does not exist.", a.Mountpoint, a.Mounttag)
}

// DebugUpload takes a file into the appliance, for tests of it. There is none, and nothing to
// keep it in: what comes is read, and forgotten.
func (s *Server) DebugUpload(ctx context.Context, a *rpc.DebugUploadArgs, in io.Reader) error {
	return discard(in)
}

// InternalUpload is DebugUpload for the libraries' own tests.
func (s *Server) InternalUpload(ctx context.Context, a *rpc.InternalUploadArgs, in io.Reader) error {
	return discard(in)
}

func discard(in io.Reader) error {
	_, err := io.Copy(io.Discard, in)
	return err
}

// InternalExit ends the server, as the library's tests want to see the appliance end.
func (s *Server) InternalExit(ctx context.Context) error {
	err := s.store.sync()
	s.hangUp()
	return err
}

// InternalRhbz914931 ends the server after some bytes of a file.
func (s *Server) InternalRhbz914931(ctx context.Context, a *rpc.InternalRhbz914931Args, in io.Reader) error {
	if a.Count <= 0 || a.Count > 1000 {
		return errorf("count out of range")
	}
	if _, err := io.CopyN(io.Discard, in, int64(a.Count)); err != nil {
		return err
	}
	return s.InternalExit(ctx)
}
