package server

import (
	"context"
	"errors"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

func parseGroup(v string) (btrfs.GroupID, error) {
	id, err := btrfs.ParseGroupID(v)
	if err != nil {
		return 0, errorf("invalid qgroupid or subvolume path: %s", v)
	}
	return id, nil
}

// BtrfsQuotaEnable has the file system account what subvolumes use, or not.
func (s *Server) BtrfsQuotaEnable(ctx context.Context, a *rpc.BtrfsQuotaEnableArgs) error {
	if a.Enable {
		return s.withBtrfsAt(a.Fs, btrfs.FS.EnableQuota)
	}
	return s.withBtrfsAt(a.Fs, btrfs.FS.DisableQuota)
}

// BtrfsQuotaRescan counts again, and waits until it is done.
func (s *Server) BtrfsQuotaRescan(ctx context.Context, a *rpc.BtrfsQuotaRescanArgs) error {
	return s.withBtrfsAt(a.Fs, btrfs.FS.RescanQuota)
}

// BtrfsQgroupLimit limits the size of a subvolume in bytes.
func (s *Server) BtrfsQgroupLimit(ctx context.Context, a *rpc.BtrfsQgroupLimitArgs) error {
	return s.withBtrfsAt(a.Subvolume, func(fs btrfs.FS) error { return fs.LimitGroup(0, uint64(a.Size)) })
}

func (s *Server) onGroup(id, name string, do func(btrfs.FS, btrfs.GroupID) error) error {
	group, err := parseGroup(id)
	if err != nil {
		return err
	}
	return s.withBtrfsAt(name, func(fs btrfs.FS) error { return do(fs, group) })
}

// BtrfsQgroupCreate makes a quota group.
func (s *Server) BtrfsQgroupCreate(ctx context.Context, a *rpc.BtrfsQgroupCreateArgs) error {
	return s.onGroup(a.Qgroupid, a.Subvolume, btrfs.FS.CreateGroup)
}

// BtrfsQgroupDestroy destroys a quota group.
func (s *Server) BtrfsQgroupDestroy(ctx context.Context, a *rpc.BtrfsQgroupDestroyArgs) error {
	return s.onGroup(a.Qgroupid, a.Subvolume, btrfs.FS.DestroyGroup)
}

func (s *Server) onGroups(src, dst, name string, do func(fs btrfs.FS, member, group btrfs.GroupID) error) error {
	from, err := parseGroup(src)
	if err != nil {
		return err
	}
	return s.onGroup(dst, name, func(fs btrfs.FS, to btrfs.GroupID) error { return do(fs, from, to) })
}

// BtrfsQgroupAssign puts a quota group into another.
func (s *Server) BtrfsQgroupAssign(ctx context.Context, a *rpc.BtrfsQgroupAssignArgs) error {
	return s.onGroups(a.Src, a.Dst, a.Path, btrfs.FS.AssignGroup)
}

// BtrfsQgroupRemove takes a quota group out of another.
func (s *Server) BtrfsQgroupRemove(ctx context.Context, a *rpc.BtrfsQgroupRemoveArgs) error {
	return s.onGroups(a.Src, a.Dst, a.Path, btrfs.FS.UnassignGroup)
}

// BtrfsQgroupShow returns quota groups and what they use in bytes.
func (s *Server) BtrfsQgroupShow(ctx context.Context, a *rpc.BtrfsQgroupShowArgs) ([]rpc.Btrfsqgroup, error) {
	result := []rpc.Btrfsqgroup{}
	err := s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		groups, err := fs.Groups()
		for _, g := range groups {
			result = append(result, rpc.Btrfsqgroup{
				BtrfsqgroupId: g.ID.String(), BtrfsqgroupRfer: g.Referenced, BtrfsqgroupExcl: g.Exclusive,
			})
		}
		if errors.Is(err, btrfs.ErrNoQuota) {
			return errorf("can't list qgroups: %v", err)
		}
		return err
	})
	return result, err
}
