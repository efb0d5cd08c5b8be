package server

import (
	"context"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// swapon has the kernel swap to something, or not any more.
func (s *Server) swapon(ctx context.Context, what, name string, tree bool, args ...string) error {
	_, _, err := s.runProgram(ctx, program{name: name, args: args, tree: tree})
	return ofDeviceText(err, what)
}

// SwaponDevice has the kernel swap to a device.
func (s *Server) SwaponDevice(ctx context.Context, a *rpc.SwaponDeviceArgs) error {
	return s.swapon(ctx, a.Device, "swapon", false, a.Device)
}

// SwapoffDevice undoes SwaponDevice.
func (s *Server) SwapoffDevice(ctx context.Context, a *rpc.SwapoffDeviceArgs) error {
	return s.swapon(ctx, a.Device, "swapoff", false, a.Device)
}

// SwaponFile has the kernel swap to a file of the guest.
func (s *Server) SwaponFile(ctx context.Context, a *rpc.SwaponFileArgs) error {
	return s.swapon(ctx, a.File, "swapon", true, s.inTree(a.File))
}

// SwapoffFile undoes SwaponFile.
func (s *Server) SwapoffFile(ctx context.Context, a *rpc.SwapoffFileArgs) error {
	return s.swapon(ctx, a.File, "swapoff", true, s.inTree(a.File))
}

// SwaponLabel has the kernel swap to a device with a label.
func (s *Server) SwaponLabel(ctx context.Context, a *rpc.SwaponLabelArgs) error {
	return s.swapon(ctx, a.Label, "swapon", false, "-L", a.Label)
}

// SwapoffLabel undoes SwaponLabel.
func (s *Server) SwapoffLabel(ctx context.Context, a *rpc.SwapoffLabelArgs) error {
	return s.swapon(ctx, a.Label, "swapoff", false, "-L", a.Label)
}

// SwaponUuid has the kernel swap to a device with a UUID.
func (s *Server) SwaponUuid(ctx context.Context, a *rpc.SwaponUuidArgs) error {
	return s.swapon(ctx, a.Uuid, "swapon", false, "-U", a.Uuid)
}

// SwapoffUuid undoes SwaponUuid.
func (s *Server) SwapoffUuid(ctx context.Context, a *rpc.SwapoffUuidArgs) error {
	return s.swapon(ctx, a.Uuid, "swapoff", false, "-U", a.Uuid)
}
