package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	fsctl "github.com/unboot/unboot/internal/fsctl/btrfs"
)

// parseGroup parses the id of a quota group, LEVEL/ID or ID.
func parseGroup(v string) (uint64, error) {
	level, id, ok := strings.Cut(v, "/")
	if !ok {
		level, id = "0", v
	}
	l, err := strconv.ParseUint(level, 10, 16)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(id, 10, 48); err == nil {
			return l<<48 | n, nil
		}
	}
	return 0, errorf("invalid qgroupid or subvolume path: %s", v)
}

func formatGroup(id uint64) string { return fmt.Sprintf("%d/%d", id>>48, id&(1<<48-1)) }

// BtrfsQuotaEnable has the file system account what subvolumes use, or not.
func (s *Server) BtrfsQuotaEnable(ctx context.Context, a *rpc.BtrfsQuotaEnableArgs) error {
	return s.withBtrfsAt(a.Fs, func(b btrfs) error {
		const enable, disable = 1, 2
		if !a.Enable {
			return b.do(3, 40, words(16, disable))
		}
		if err := b.do(3, 40, words(16, enable)); err != nil {
			return err
		}
		return b.simple(46) // until what is there is counted
	})
}

// BtrfsQuotaRescan counts anew, and waits until it is done.
func (s *Server) BtrfsQuotaRescan(ctx context.Context, a *rpc.BtrfsQuotaRescanArgs) error {
	return s.withBtrfsAt(a.Fs, func(b btrfs) error {
		if err := b.do(1, 44, words(64)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return err
		}
		return b.simple(46)
	})
}

// BtrfsQgroupLimit limits the size of a subvolume in bytes.
func (s *Server) BtrfsQgroupLimit(ctx context.Context, a *rpc.BtrfsQgroupLimitArgs) error {
	return s.withBtrfsAt(a.Subvolume, func(b btrfs) error {
		const maxReferenced = 1
		return b.do(2, 43, words(48, 0, maxReferenced, uint64(a.Size)))
	})
}

func (s *Server) btrfsGroup(id, name string, create uint64) error {
	group, err := parseGroup(id)
	if err != nil {
		return err
	}
	return s.withBtrfsAt(name, func(b btrfs) error { return b.do(1, 42, words(16, create, group)) })
}

// BtrfsQgroupCreate makes a quota group.
func (s *Server) BtrfsQgroupCreate(ctx context.Context, a *rpc.BtrfsQgroupCreateArgs) error {
	return s.btrfsGroup(a.Qgroupid, a.Subvolume, 1)
}

// BtrfsQgroupDestroy destroys a quota group.
func (s *Server) BtrfsQgroupDestroy(ctx context.Context, a *rpc.BtrfsQgroupDestroyArgs) error {
	return s.btrfsGroup(a.Qgroupid, a.Subvolume, 0)
}

func (s *Server) assignGroup(src, dst, name string, assign uint64) error {
	from, err := parseGroup(src)
	if err != nil {
		return err
	}
	to, err := parseGroup(dst)
	if err != nil {
		return err
	}
	return s.withBtrfsAt(name, func(b btrfs) error { return b.do(1, 41, words(24, assign, from, to)) })
}

// BtrfsQgroupAssign puts a quota group into another.
func (s *Server) BtrfsQgroupAssign(ctx context.Context, a *rpc.BtrfsQgroupAssignArgs) error {
	return s.assignGroup(a.Src, a.Dst, a.Path, 1)
}

// BtrfsQgroupRemove takes a quota group out of another.
func (s *Server) BtrfsQgroupRemove(ctx context.Context, a *rpc.BtrfsQgroupRemoveArgs) error {
	return s.assignGroup(a.Src, a.Dst, a.Path, 0)
}

// BtrfsQgroupShow returns quota groups and what they use in bytes.
func (s *Server) BtrfsQgroupShow(ctx context.Context, a *rpc.BtrfsQgroupShowArgs) ([]rpc.Btrfsqgroup, error) {
	result := []rpc.Btrfsqgroup{}
	err := s.withBtrfsAt(a.Path, func(b btrfs) error {
		if err := b.simple(8); err != nil {
			return err
		}
		const quotaTree, groupInfo = 8, 242
		err := b.volumes().Search(quotaTree, 0, 0, groupInfo, groupInfo, func(i fsctl.Item) bool {
			if len(i.Data) >= 40 {
				result = append(result, rpc.Btrfsqgroup{
					BtrfsqgroupId:   formatGroup(i.Offset),
					BtrfsqgroupRfer: binary.LittleEndian.Uint64(i.Data[8:]),
					BtrfsqgroupExcl: binary.LittleEndian.Uint64(i.Data[24:]),
				})
			}
			return len(result) < fsctl.MaxSubvolumes
		})
		if errors.Is(err, unix.ENOENT) {
			return errorf("can't list qgroups: quotas not enabled")
		}
		return err
	})
	return result, err
}
