package server

import (
	"context"
	"crypto/rand"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/relabel"
)

// Mkswap makes a device a swap space.
func (s *Server) Mkswap(ctx context.Context, a *rpc.MkswapArgs) error {
	id := randomUUID()
	if a.Uuid.Set {
		var err error
		if id, err = relabel.ParseUUID(a.Uuid.Value); err != nil {
			return errorf("%s: %v", a.Device, err)
		}
	}
	err := s.edit(a.Device, func(n *node) error {
		// What was there before, and would be found as well, goes.
		if _, err := n.WriteAt(zeroes[:min(swapHead, n.size)], 0); err != nil {
			return err
		}
		return relabel.MakeSwap(n, n.size, a.Label.Or(""), id)
	})
	if errors.Is(err, unix.EBUSY) {
		return inUse(a.Device)
	}
	return err
}

// swapHead is how much of a device mkswap(8) wipes, in bytes: with it go partition tables
// and superblocks.
const swapHead = 32 << 10

// randomUUID returns a UUID of version 4.
func randomUUID() (id [16]byte) {
	rand.Read(id[:])
	id[6] = id[6]&0xf | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// edit calls f with a device that is not in use, and which it may write to.
func (s *Server) edit(device string, f func(n *node) error) error {
	return s.withNode(device, unix.O_RDWR|unix.O_EXCL, func(n *node) error {
		defer s.devicesChanged()
		err := f(n)
		if err == nil {
			err = n.Sync()
		}
		return prefixed(err, device)
	})
}

// prefixed puts what was worked on before an error's text.
func prefixed(err error, what string) error {
	var wire *protocol.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wire):
		return withPrefix(err, "%s: ", what)
	}
	return perror(err, "%s", what)
}

// MkswapL makes a swap space with a label.
func (s *Server) MkswapL(ctx context.Context, a *rpc.MkswapLArgs) error {
	return s.Mkswap(ctx, &rpc.MkswapArgs{Device: a.Device, Label: rpc.Some(a.Label)})
}

// MkswapU makes a swap space with a UUID.
func (s *Server) MkswapU(ctx context.Context, a *rpc.MkswapUArgs) error {
	return s.Mkswap(ctx, &rpc.MkswapArgs{Device: a.Device, Uuid: rpc.Some(a.Uuid)})
}

// MkswapFile makes a file that is there a swap space.
func (s *Server) MkswapFile(ctx context.Context, a *rpc.MkswapFileArgs) error {
	h, err := s.openPath(a.Path, unix.O_RDWR, 0)
	if err != nil {
		return programError(err, "%s", a.Path)
	}
	size, err := h.Size()
	if err == nil {
		err = relabel.MakeSwap(h, size, "", randomUUID())
	}
	return h.closed(prefixed(err, a.Path))
}
