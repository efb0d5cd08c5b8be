package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	fsctl "github.com/unboot/unboot/internal/fsctl/btrfs"
)

// Flags of struct btrfs_ioctl_vol_args_v2.
const (
	volumeReadOnly = 0x2
	volumeInherit  = 0x4
)

// volumeArgs returns a struct btrfs_ioctl_vol_args_v2 for a subvolume that is to be made,
// in a quota group if there is one. free has to be called.
func (b btrfs) volumeArgs(name string, source int, flags uint64, group rpc.Opt[string]) (arg []byte, free func(), err error) {
	const size, at = 4096, 56
	if len(name) > 255 {
		return nil, nil, unix.ENAMETOOLONG
	}
	free = func() {}
	arg = words(size, uint64(source), 0, flags)
	copy(arg[at:], name)
	if !group.Set {
		return arg, free, nil
	}
	id, err := parseGroup(group.Value)
	if err != nil {
		return nil, nil, err
	}
	// A struct btrfs_qgroup_inherit of one group and no limit.
	inherit := words(80, 0, 1)
	binary.NativeEndian.PutUint64(inherit[72:], id)
	mem, err := b.v.Kernel().Alloc(len(inherit))
	if err != nil {
		return nil, nil, err
	}
	copy(mem.Bytes(), inherit)
	copy(arg[16:], words(24, flags|volumeInherit, uint64(len(inherit)), mem.Addr()))
	return arg, mem.Free, nil
}

// BtrfsSubvolumeCreate makes a subvolume.
func (s *Server) BtrfsSubvolumeCreate(ctx context.Context, a *rpc.BtrfsSubvolumeCreateArgs) error {
	h, name, err := s.parentOf(a.Dest)
	if err != nil {
		return err
	}
	defer h.close()
	b := btrfs{h.View(), h.Fd()}
	arg, free, err := b.volumeArgs(name, 0, 0, a.Qgroupid)
	if err != nil {
		return prefixed(err, a.Dest)
	}
	defer free()
	if err = b.do(1, 24, arg); err == nil {
		err = h.View().Fchmodat(h.Fd(), name, 0o777&^s.umask, 0)
	}
	if errors.Is(err, unix.ENOTTY) {
		return errorf("%s: not on a btrfs filesystem", a.Dest)
	}
	if err != nil {
		return perror(err, "%s", a.Dest)
	}
	return nil
}

// BtrfsSubvolumeSnapshot makes a snapshot of a subvolume. If the destination is a
// directory, it is made in that under the name of the source.
func (s *Server) BtrfsSubvolumeSnapshot(ctx context.Context, a *rpc.BtrfsSubvolumeSnapshotArgs) error {
	dest := a.Dest
	if st, err := s.stat(dest); err == nil {
		if fileType(&st) != unix.S_IFDIR {
			return errorf("%s: exists and is not a directory", dest)
		}
		dest = path.Join(dest, path.Base(a.Source))
	}
	return s.withBtrfsAt(a.Source, func(source btrfs) error {
		h, name, err := s.parentOf(dest)
		if err != nil {
			return err
		}
		defer h.close()
		flags := uint64(0)
		if a.Ro.Or(false) {
			flags |= volumeReadOnly
		}
		b := btrfs{h.View(), h.Fd()}
		arg, free, err := b.volumeArgs(name, source.fd, flags, a.Qgroupid)
		if err != nil {
			return err
		}
		defer free()
		return b.do(1, 23, arg)
	})
}

// BtrfsSubvolumeDelete deletes a subvolume or snapshot.
func (s *Server) BtrfsSubvolumeDelete(ctx context.Context, a *rpc.BtrfsSubvolumeDeleteArgs) error {
	h, name, err := s.parentOf(a.Subvolume)
	if err != nil {
		return err
	}
	defer h.close()
	err = btrfs{h.View(), h.Fd()}.named(15, name)
	if errors.Is(err, unix.ENOTTY) {
		return errorf("%s: not on a btrfs filesystem", a.Subvolume)
	}
	if err != nil {
		return perror(err, "%s", a.Subvolume)
	}
	return nil
}

// BtrfsSubvolumeList returns the subvolumes of a file system.
func (s *Server) BtrfsSubvolumeList(ctx context.Context, a *rpc.BtrfsSubvolumeListArgs) ([]rpc.Btrfssubvolume, error) {
	result := []rpc.Btrfssubvolume{}
	err := s.withBtrfsAt(a.Fs, func(b btrfs) error {
		list, err := b.volumes().Subvolumes()
		for _, v := range list {
			result = append(result, rpc.Btrfssubvolume{
				BtrfssubvolumeId: v.ID, BtrfssubvolumeTopLevelId: v.Parent, BtrfssubvolumePath: v.Path,
			})
		}
		return err
	})
	return result, err
}

// BtrfsSubvolumeSetDefault sets the subvolume that is mounted if none is named.
func (s *Server) BtrfsSubvolumeSetDefault(ctx context.Context, a *rpc.BtrfsSubvolumeSetDefaultArgs) error {
	return s.withBtrfsAt(a.Fs, func(b btrfs) error { return b.do(1, 19, words(8, uint64(a.Id))) })
}

// BtrfsSubvolumeGetDefault returns the id of that subvolume.
func (s *Server) BtrfsSubvolumeGetDefault(ctx context.Context, a *rpc.BtrfsSubvolumeGetDefaultArgs) (id int64, err error) {
	err = s.withBtrfsAt(a.Fs, func(b btrfs) error {
		n, err := b.volumes().Default()
		id = int64(n)
		return err
	})
	return id, err
}

// BtrfsSubvolumeShow returns what there is to be told of a subvolume, under the names
// that btrfs(8) has for it.
func (s *Server) BtrfsSubvolumeShow(ctx context.Context, a *rpc.BtrfsSubvolumeShowArgs) ([]rpc.Pair, error) {
	list := pairs{}
	err := s.withBtrfsAt(a.Subvolume, func(b btrfs) error {
		var st unix.Statx_t
		if err := b.v.Fstatx(b.fd, statMask, &st); err != nil {
			return err
		}
		if st.Ino != fsctl.SubvolumeInode {
			return errorf("not a subvolume")
		}
		// A struct btrfs_ioctl_get_subvol_info_args.
		i := make([]byte, 504)
		if err := b.do(2, 60, i); err != nil {
			return err
		}
		u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(i[at:]) }
		id, name := u64(0), cString(i[8:264])
		volumes, err := b.volumes().Subvolumes()
		if err != nil {
			return err
		}
		if id == fsctl.TopLevel {
			name = "<FS_TREE>"
		}
		flags := ""
		if u64(288)&1 != 0 {
			flags = "readonly"
		}
		number := func(at int) string { return fmt.Sprint(u64(at)) }
		list = pairs{
			{Key: "path", Value: pathOfVolume(volumes, id)},
			{Key: "Name", Value: name},
			{Key: "UUID", Value: fsctl.UUID(i[296:]).String()},
			{Key: "Parent UUID", Value: fsctl.UUID(i[312:]).String()},
			{Key: "Received UUID", Value: fsctl.UUID(i[328:]).String()},
			{Key: "Creation time", Value: volumeTime(i[392:])},
			{Key: "Subvolume ID", Value: fmt.Sprint(id)},
			{Key: "Generation", Value: number(280)},
			{Key: "Gen at creation", Value: number(352)},
			{Key: "Parent ID", Value: number(264)},
			{Key: "Top level ID", Value: number(264)},
			{Key: "Flags", Value: flags},
			{Key: "Send transid", Value: number(360)},
			{Key: "Send time", Value: volumeTime(i[408:])},
			{Key: "Receive transid", Value: number(368)},
			{Key: "Receive time", Value: volumeTime(i[424:])},
		}
		snapshots, err := b.snapshots(volumes, fsctl.UUID(i[296:]))
		list = append(list, rpc.Pair{Key: "Snapshot(s)", Value: strings.Join(snapshots, ",")})
		return err
	})
	return list, err
}

// pathOfVolume returns the path of a subvolume from the top level, which is "/" itself.
func pathOfVolume(volumes []fsctl.Subvolume, id uint64) string {
	if id == fsctl.TopLevel {
		return "/"
	}
	for _, v := range volumes {
		if v.ID == id {
			return v.Path
		}
	}
	return ""
}

// volumeTime returns the seconds of a struct btrfs_ioctl_timespec as a date.
func volumeTime(b []byte) string {
	sec := int64(binary.NativeEndian.Uint64(b))
	if sec <= 0 {
		return ""
	}
	return time.Unix(sec, 0).UTC().Format("2006-01-02 15:04:05 -0700")
}

// snapshots returns the paths of the snapshots of a subvolume: those whose root item has
// its UUID for their parent's.
func (b btrfs) snapshots(volumes []fsctl.Subvolume, id fsctl.UUID) ([]string, error) {
	if id == (fsctl.UUID{}) {
		return nil, nil
	}
	uuids, err := b.volumes().UUIDs()
	var list []string
	for _, v := range volumes {
		if uuids[v.ID].Parent == id {
			list = append(list, v.Path)
		}
	}
	return list, err
}
