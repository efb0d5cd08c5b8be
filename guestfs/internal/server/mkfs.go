package server

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/lazyregexp"
	"github.com/unboot/unboot/internal/mkfs"
)

var goodType = lazyregexp.New(`^[a-z0-9][a-z0-9._-]*$`)

// Mkfs makes a file system.
func (s *Server) Mkfs(ctx context.Context, a *rpc.MkfsArgs) error {
	if !goodType().MatchString(a.Fstype) {
		return errorf("%s: not a type of file system", a.Fstype)
	}
	for _, n := range []struct {
		v    rpc.Opt[int]
		text string
	}{
		{a.Blocksize, "block size must be > 0 and a power of 2"},
		{a.Inode, "inode size must be larger than zero"},
		{a.Sectorsize, "sector size must be larger than zero"},
	} {
		if n.v.Set && n.v.Value <= 0 {
			return errorf("%s", n.text)
		}
	}
	sector, err := s.deviceNumber(a.Device, unix.BLKSSZGET)
	if err != nil {
		return err
	}
	o := mkfs.Options{
		BlockSize: a.Blocksize.Or(0), Features: a.Features.Or(""), InodeSize: a.Inode.Or(0), Label: a.Label.Or(""),
		SectorSize: a.Sectorsize.Or(0), DeviceSector: sector,
	}
	if d := s.device(a.Device); d != nil && d.Kind == unboot.KindPartition {
		o.Start = d.Partition.Start
	}
	args, err := mkfs.Args(a.Fstype, o)
	var option *mkfs.OptionError
	switch {
	case err == nil:
		return s.makeFS(ctx, a.Fstype, a.Device, append(args, hosttool.Arg(0))...)
	case errors.Is(err, errors.ErrUnsupported):
		return &protocol.Error{Name: "ENOTSUP", Message: fmt.Sprintf("%s: not available in unboot on a disk with sectors of %d bytes", a.Fstype, a.Sectorsize.Or(sector))}
	case errors.As(err, &option) && option.Option == "label":
		return notOfType("set the label for", a.Fstype)
	case errors.As(err, &option) && option.Option == "inode":
		return errorf("inode size (-I) can only be set on ext2/3/4 filesystems")
	}
	return errorf("%v", err)
}

// makeFS runs the mkfs of a type.
func (s *Server) makeFS(ctx context.Context, fstype, device string, args ...string) error {
	_, err := s.onDevice(ctx, hosttool.Makes, device, nil, "mkfs."+fstype, args...)
	if err != nil {
		return withPrefix(err, "%s: %s: ", fstype, device)
	}
	return nil
}

// withPrefix puts a text before an error's, whose errno it keeps.
func withPrefix(err error, format string, args ...any) error {
	prefix := fmt.Sprintf(format, args...)
	var wire *protocol.Error
	if errors.As(err, &wire) {
		return &protocol.Error{Name: wire.Name, Message: prefix + wire.Message}
	}
	return errorf("%s%v", prefix, err)
}

// MkfsB makes a file system with blocks of a size.
func (s *Server) MkfsB(ctx context.Context, a *rpc.MkfsBArgs) error {
	return s.Mkfs(ctx, &rpc.MkfsArgs{Fstype: a.Fstype, Device: a.Device, Blocksize: rpc.Some(a.Blocksize)})
}
