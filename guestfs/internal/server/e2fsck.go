package server

import (
	"context"
	"fmt"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// corrected are exit statuses of fsck(8) that are no errors: what was wrong is not any
// more.
var corrected = []int{1}

// E2fsck checks an ext2, ext3 or ext4. Nobody can be asked, so without an option
// everything that is wrong is an error.
func (s *Server) E2fsck(ctx context.Context, a *rpc.E2fsckArgs) error {
	correct, all := a.Correct.Or(false), a.Forceall.Or(false)
	switch {
	case correct && all:
		return errorf("only one of the options may be specified")
	case correct:
		return s.useTool(ctx, hosttool.Changes, a.Device, corrected, "e2fsck", "-f", "-p")
	case all:
		return s.useTool(ctx, hosttool.Changes, a.Device, corrected, "e2fsck", "-f", "-y")
	}
	return s.useTool(ctx, hosttool.Reads, a.Device, nil, "e2fsck", "-f", "-n")
}

// E2fsckF checks an ext2, ext3 or ext4 and corrects what can be corrected safely.
func (s *Server) E2fsckF(ctx context.Context, a *rpc.E2fsckFArgs) error {
	return s.E2fsck(ctx, &rpc.E2fsckArgs{Device: a.Device, Correct: rpc.Some(true)})
}

// Fsck checks a file system of a type and returns the status of fsck(8).
func (s *Server) Fsck(ctx context.Context, a *rpc.FsckArgs) (int, error) {
	if !goodType().MatchString(a.Fstype) {
		return -1, errorf("%s: not a type of file system", a.Fstype)
	}
	return s.toolStatus(ctx, tool{
		use: hosttool.Changes, devices: []string{a.Device},
		name: "fsck." + a.Fstype, args: []string{"-a", hosttool.Arg(0)},
	})
}

// beforeResize checks an ext2, ext3 or ext4: resize2fs(8) refuses one that was used since
// its last check, and programs as virt-resize leave that to the procedure.
func (s *Server) beforeResize(ctx context.Context, device string) error {
	return s.E2fsckF(ctx, &rpc.E2fsckFArgs{Device: device})
}

// Resize2fs makes an ext2, ext3 or ext4 as large as its device.
func (s *Server) Resize2fs(ctx context.Context, a *rpc.Resize2fsArgs) error {
	if err := s.beforeResize(ctx, a.Device); err != nil {
		return err
	}
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "resize2fs")
}

// Resize2fsSize makes an ext2, ext3 or ext4 of a size in bytes.
func (s *Server) Resize2fsSize(ctx context.Context, a *rpc.Resize2fsSizeArgs) error {
	if a.Size <= 0 || a.Size%1024 != 0 {
		return errorf("%d: size must be a round number of kilobytes", a.Size)
	}
	if err := s.beforeResize(ctx, a.Device); err != nil {
		return err
	}
	_, err := s.onDevice(ctx, hosttool.Changes, a.Device, nil, "resize2fs", hosttool.Arg(0), fmt.Sprint(a.Size/1024, "K"))
	return ofDevice(err, a.Device)
}

// Resize2fsM makes an ext2, ext3 or ext4 as small as can be.
func (s *Server) Resize2fsM(ctx context.Context, a *rpc.Resize2fsMArgs) error {
	if err := s.beforeResize(ctx, a.Device); err != nil {
		return err
	}
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "resize2fs", "-M")
}

// Zerofree zeroes unused blocks of an ext2, ext3 or ext4.
func (s *Server) Zerofree(ctx context.Context, a *rpc.ZerofreeArgs) error {
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "zerofree")
}
