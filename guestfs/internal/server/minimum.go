package server

import (
	"context"
	"regexp"
	"strconv"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/lazyregexp"
)

var (
	ext2Minimum = lazyregexp.New(`(?m)^Estimated minimum size of the filesystem: ([0-9]+)$`)
	ntfsMinimum = lazyregexp.New(`(?m)^You might resize at ([0-9]+) bytes`)
	ntfsFull    = lazyregexp.New(`(?m)ERROR: Volume is full`)
	ntfsSize    = lazyregexp.New(`(?m)^Current volume size: ([0-9]+) bytes`)
)

// VfsMinimumSize returns the size in bytes that a file system can be shrunk to.
func (s *Server) VfsMinimumSize(ctx context.Context, a *rpc.VfsMinimumSizeArgs) (int64, error) {
	device, _ := s.parseMountable(a.Mountable)
	info, err := s.probe(device)
	if err != nil {
		return -1, err
	}
	find := func(re *regexp.Regexp, text string) (int64, error) {
		m := re.FindStringSubmatch(text)
		if m == nil {
			return -1, errorf("%s: cannot find the minimum size in what the tool says", device)
		}
		return strconv.ParseInt(m[1], 10, 62)
	}
	switch info.Type {
	case "ext2", "ext3", "ext4", "ext4dev":
		out, err := s.onDevice(ctx, hosttool.Reads, device, nil, "resize2fs", "-P", "-f", hosttool.Arg(0))
		if err != nil {
			return -1, ofDevice(err, device)
		}
		blocks, err := find(ext2Minimum(), out)
		return blocks * info.BlockSize, err
	case "ntfs":
		out, err := s.onDevice(ctx, hosttool.Reads, device, nil, "ntfsresize", "--info", "-ff", hosttool.Arg(0))
		if ntfsFull().MatchString(out) {
			return find(ntfsSize(), out)
		}
		if err != nil {
			return -1, ofDevice(err, device)
		}
		return find(ntfsMinimum(), out)
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
