package server

import (
	"cmp"
	"context"
	"encoding/binary"
	"regexp"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	fsctl "github.com/unboot/unboot/internal/fsctl/btrfs"
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
		g, err := s.xfsGeometry(device)
		if err != nil {
			return -1, err
		}
		return int64(g.dataBlocks) * int64(g.blockSize), nil
	case "btrfs":
		n := int64(-1)
		err := s.withBtrfs(device, true, func(b btrfs) error {
			n, err = b.minimumSize(1)
			return err
		})
		return n, err
	}
	return -1, notOfType("get minimum size of", info.Type)
}

// extent is a run of a device in bytes.
type devExtent struct{ start, length uint64 }

func (e devExtent) end() uint64 { return e.start + e.length }

// minimumSize returns the size that a device of a btrfs can be shrunk to: chunks at the
// end are moved, whole, to where there is room for them.
func (b btrfs) minimumSize(device uint64) (int64, error) {
	const devTree, devExtentKey, first = 4, 204, 1 << 20
	if err := b.simple(8); err != nil {
		return -1, err
	}
	var list []devExtent
	err := b.volumes().Search(devTree, device, device, devExtentKey, devExtentKey, func(i fsctl.Item) bool {
		if len(i.Data) >= 32 {
			list = append(list, devExtent{i.Offset, binary.LittleEndian.Uint64(i.Data[24:])})
		}
		return len(list) < 1<<20
	})
	if err != nil {
		return -1, err
	}
	slices.SortFunc(list, func(a, b devExtent) int { return cmp.Compare(a.start, b.start) })
	var holes []devExtent
	end, used := uint64(first), uint64(first)
	for _, e := range list {
		if e.length > 1<<62 || e.start > 1<<62 || e.start < end && e.start >= first {
			return -1, unix.EUCLEAN
		}
		if e.start > end {
			holes = append(holes, devExtent{end, e.start - end})
		}
		end = max(end, e.end())
		used += e.length
	}
	for _, e := range slices.Backward(list) {
		if e.start+e.length <= used {
			break
		}
		// The hole must be one before it that does not reach beyond the new end.
		i := slices.IndexFunc(holes, func(h devExtent) bool { return h.length >= e.length && h.start < e.start })
		if i < 0 {
			used = e.end()
			break
		}
		holes[i] = devExtent{holes[i].start + e.length, holes[i].length - e.length}
		used = max(used, holes[i].start)
	}
	return int64(used), nil
}
