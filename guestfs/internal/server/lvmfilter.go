package server

import (
	"context"
	"slices"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// LvmSetFilter hides all but some devices from LVM: those, and the partitions of disks that
// are among them. What is active is stopped, and what can be seen then is activated.
func (s *Server) LvmSetFilter(ctx context.Context, a *rpc.LvmSetFilterArgs) error {
	names := []string{}
	for _, name := range a.Devices {
		names = append(names, s.canonicalDevice(name))
	}
	return s.lvmFilterTo(ctx, names)
}

// LvmClearFilter undoes LvmSetFilter.
func (s *Server) LvmClearFilter(ctx context.Context) error { return s.lvmFilterTo(ctx, nil) }

func (s *Server) lvmFilterTo(ctx context.Context, names []string) error {
	if err := s.lvmActivate(ctx, false, nil); err != nil {
		return err
	}
	s.lvmFilter = names
	return s.lvmActivate(ctx, true, nil)
}

// lvmSees reports whether LVM is to see a device.
func (s *Server) lvmSees(d *unboot.Device) bool {
	if s.lvmFilter == nil || slices.Contains(s.lvmFilter, d.Name) {
		return true
	}
	return d.Kind == unboot.KindPartition && slices.ContainsFunc(d.Parents(), func(p *unboot.Device) bool {
		return slices.Contains(s.lvmFilter, p.Name)
	})
}

// lvmSeesAll reports whether LVM sees all devices of a volume.
func (s *Server) lvmSeesAll(list []*unboot.Device) bool {
	return !slices.ContainsFunc(list, func(d *unboot.Device) bool { return !s.lvmSees(d) })
}
