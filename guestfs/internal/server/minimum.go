package server

import (
	"context"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/resizetool"
)

// VfsMinimumSize returns the size in bytes that a file system can be shrunk to.
func (s *Server) VfsMinimumSize(ctx context.Context, a *rpc.VfsMinimumSizeArgs) (int64, error) {
	device, _ := s.parseMountable(a.Mountable)
	info, err := s.probe(device)
	if err != nil {
		return -1, err
	}
	if tool := resizetool.Least(info.Type, hosttool.Arg(0)); tool != nil {
		out, err := s.onDevice(ctx, hosttool.Reads, device, nil, tool[0], tool[1:]...)
		n, err := resizetool.ParseLeast(info.Type, out, info.BlockSize, err)
		return n, ofDevice(err, device)
	}
	switch info.Type {
	case "xfs":
		// It cannot be shrunk.
		_, g, err := s.xfsGeometry(device)
		if err != nil {
			return -1, err
		}
		return int64(g.DataBlocks) * int64(g.BlockSize), nil
	case "btrfs":
		n := int64(-1)
		err := s.withBtrfs(device, true, func(b btrfs.FS) error {
			n, err = b.MinimumSize(1)
			return err
		})
		return n, err
	}
	return -1, notOfType("get minimum size of", info.Type)
}
