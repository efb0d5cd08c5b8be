package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// A GroupID is that of a quota group: a level, and a number in it, which is a subvolume's
// for level 0.
type GroupID uint64

// ErrGroupID is the error of a text that is not the ID of a quota group.
var ErrGroupID = errors.New("not the ID of a quota group")

// ParseGroupID reads LEVEL/NUMBER or NUMBER.
func ParseGroupID(v string) (GroupID, error) {
	level, id, ok := strings.Cut(v, "/")
	if !ok {
		level, id = "0", v
	}
	l, err := strconv.ParseUint(level, 10, 16)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(id, 10, 48); err == nil {
			return GroupID(l<<48 | n), nil
		}
	}
	return 0, ErrGroupID
}

// String returns LEVEL/NUMBER.
func (g GroupID) String() string { return fmt.Sprintf("%d/%d", g>>48, g&(1<<48-1)) }

// quotaControl makes BTRFS_IOC_QUOTA_CTL.
func (f FS) quotaControl(command uint64) error {
	return f.do(fsctl.ReadWrite, 40, fsctl.Words(16, command))
}

// EnableQuota has the file system account what subvolumes use, and waits until what is
// there is counted.
func (f FS) EnableQuota() error {
	if err := f.quotaControl(1); err != nil {
		return err
	}
	return f.waitQuota()
}

// DisableQuota ends that.
func (f FS) DisableQuota() error { return f.quotaControl(2) }

// waitQuota waits for the end of a count (BTRFS_IOC_QUOTA_RESCAN_WAIT).
func (f FS) waitQuota() error { return f.simple(46) }

// RescanQuota counts again, and waits until that is done (BTRFS_IOC_QUOTA_RESCAN).
func (f FS) RescanQuota() error {
	if err := f.do(fsctl.Write, 44, fsctl.Words(64)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return f.waitQuota()
}

// LimitGroup limits what a quota group refers to, in bytes. Group 0 is that of the subvolume
// that f's directory is in (BTRFS_IOC_QGROUP_LIMIT).
func (f FS) LimitGroup(group GroupID, bytes uint64) error {
	const maxReferenced = 1
	return f.do(fsctl.Read, 43, fsctl.Words(48, uint64(group), maxReferenced, bytes))
}

// CreateGroup makes a quota group (BTRFS_IOC_QGROUP_CREATE).
func (f FS) CreateGroup(group GroupID) error {
	return f.do(fsctl.Write, 42, fsctl.Words(16, 1, uint64(group)))
}

// DestroyGroup removes a quota group.
func (f FS) DestroyGroup(group GroupID) error {
	return f.do(fsctl.Write, 42, fsctl.Words(16, 0, uint64(group)))
}

// AssignGroup puts a quota group into another of a higher level (BTRFS_IOC_QGROUP_ASSIGN).
func (f FS) AssignGroup(member, group GroupID) error {
	return f.do(fsctl.Write, 41, fsctl.Words(24, 1, uint64(member), uint64(group)))
}

// UnassignGroup takes a quota group out of another.
func (f FS) UnassignGroup(member, group GroupID) error {
	return f.do(fsctl.Write, 41, fsctl.Words(24, 0, uint64(member), uint64(group)))
}

// A Group is a quota group and what it uses, in bytes.
type Group struct {
	ID         GroupID
	Referenced uint64 // by its subvolumes
	Exclusive  uint64 // to them
}

// ErrNoQuota is the error of a file system that does not account.
var ErrNoQuota = errors.New("quotas not enabled")

// Groups returns the quota groups as of now. The error may be [ErrNoQuota].
func (f FS) Groups() ([]Group, error) {
	if err := f.Sync(); err != nil {
		return nil, err
	}
	const infoKind, size, referenced, exclusive = 242, 40, 8, 24 // struct btrfs_qgroup_info_item
	var list []Group
	err := f.Search(quotaTree, 0, 0, infoKind, infoKind, func(i Item) bool {
		if len(i.Data) >= size {
			le := binary.LittleEndian
			list = append(list, Group{GroupID(i.Offset), le.Uint64(i.Data[referenced:]), le.Uint64(i.Data[exclusive:])})
		}
		return len(list) < MaxSubvolumes
	})
	if errors.Is(err, unix.ENOENT) {
		err = ErrNoQuota
	}
	return list, err
}
