package server

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl"
)

// Fstrim gives the free space of a mounted file system back to the host.
func (s *Server) Fstrim(ctx context.Context, a *rpc.FstrimArgs) error {
	for _, o := range []struct {
		name string
		v    rpc.Opt[int64]
	}{{"offset", a.Offset}, {"length", a.Length}, {"minimumfreeextent", a.Minimumfreeextent}} {
		if o.v.Set && o.v.Value < 0 {
			return errorf("%s < 0", o.name)
		}
	}
	h, err := s.openPath(a.Mountpoint, unix.O_RDONLY, 0)
	if err != nil {
		return programError(err, "%s", a.Mountpoint)
	}
	defer h.close()
	// What was deleted a moment ago is free when that is on the device.
	if err := h.View().Syncfs(h.Fd()); err != nil {
		return perror(err, "%s", a.Mountpoint)
	}
	r := fsctl.TrimRange{Start: uint64(a.Offset.Or(0)), Length: fsctl.ToEnd, MinLength: uint64(a.Minimumfreeextent.Or(0))}
	if a.Length.Set {
		r.Length = uint64(a.Length.Value)
	}
	if _, err := h.file().Trim(r); errors.Is(err, fsctl.ErrNoDiscard) {
		return perrorText(err, "fstrim: %s: %v", a.Mountpoint, err)
	} else if err != nil {
		return perror(err, "fstrim: %s", a.Mountpoint)
	}
	return nil
}

// Blkdiscard gives all of a device back to the host.
func (s *Server) Blkdiscard(ctx context.Context, a *rpc.BlkdiscardArgs) error {
	err := s.edit(a.Device, func(n *node) error {
		_, err := n.View().Ioctl(n.Fd(), unix.BLKDISCARD, fsctl.Words(16, 0, uint64(n.size)))
		return err
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return perrorText(unix.EOPNOTSUPP, "%s: BLKDISCARD ioctl failed: Operation not supported", a.Device)
	}
	return err
}

// Blkdiscardzeroes reports whether what was discarded reads as zeros. The kernel does not
// promise that of any device.
func (s *Server) Blkdiscardzeroes(ctx context.Context, a *rpc.BlkdiscardzeroesArgs) (bool, error) {
	v, err := s.deviceNumber(a.Device, unix.BLKDISCARDZEROES)
	return v != 0, err
}
