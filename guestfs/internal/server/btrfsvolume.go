package server

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// inherit returns what puts a new subvolume into a quota group, or nil if there is none.
// free has to be called.
func (h *handle) inherit(group rpc.Opt[string]) (i *btrfs.Inherit, free func(), err error) {
	if !group.Set {
		return nil, func() {}, nil
	}
	id, err := parseGroup(group.Value)
	if err != nil {
		return nil, nil, err
	}
	mem, err := h.View().Kernel().Alloc(btrfs.InheritSize)
	if err != nil {
		return nil, nil, err
	}
	return &btrfs.Inherit{Group: id, Memory: mem}, mem.Free, nil
}

// BtrfsSubvolumeCreate makes a subvolume.
func (s *Server) BtrfsSubvolumeCreate(ctx context.Context, a *rpc.BtrfsSubvolumeCreateArgs) error {
	h, name, err := s.parentOf(a.Dest)
	if err != nil {
		return err
	}
	defer h.close()
	inherit, free, err := h.inherit(a.Qgroupid)
	if err != nil {
		return prefixed(err, a.Dest)
	}
	defer free()
	if err = btrfs.FS(h.file()).Create(name, inherit); err == nil {
		err = h.View().Fchmodat(h.Fd(), name, 0o777&^s.umask, 0)
	}
	return notBtrfs(err, a.Dest)
}

// notBtrfs words the error of a call on something that may be on another file system.
func notBtrfs(err error, name string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOTTY):
		return errorf("%s: not on a btrfs filesystem", name)
	}
	return perror(err, "%s", name)
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
	return s.withBtrfsAt(a.Source, func(source btrfs.FS) error {
		h, name, err := s.parentOf(dest)
		if err != nil {
			return err
		}
		defer h.close()
		inherit, free, err := h.inherit(a.Qgroupid)
		if err != nil {
			return err
		}
		defer free()
		return btrfs.FS(h.file()).Snapshot(name, source.FD, a.Ro.Or(false), inherit)
	})
}

// BtrfsSubvolumeDelete deletes a subvolume or snapshot.
func (s *Server) BtrfsSubvolumeDelete(ctx context.Context, a *rpc.BtrfsSubvolumeDeleteArgs) error {
	h, name, err := s.parentOf(a.Subvolume)
	if err != nil {
		return err
	}
	defer h.close()
	return notBtrfs(btrfs.FS(h.file()).Delete(name), a.Subvolume)
}

// BtrfsSubvolumeList returns the subvolumes of a file system.
func (s *Server) BtrfsSubvolumeList(ctx context.Context, a *rpc.BtrfsSubvolumeListArgs) ([]rpc.Btrfssubvolume, error) {
	result := []rpc.Btrfssubvolume{}
	err := s.withBtrfsAt(a.Fs, func(fs btrfs.FS) error {
		list, err := fs.Subvolumes()
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
	return s.withBtrfsAt(a.Fs, func(fs btrfs.FS) error { return fs.SetDefault(uint64(a.Id)) })
}

// BtrfsSubvolumeGetDefault returns the id of that subvolume.
func (s *Server) BtrfsSubvolumeGetDefault(ctx context.Context, a *rpc.BtrfsSubvolumeGetDefaultArgs) (id int64, err error) {
	err = s.withBtrfsAt(a.Fs, func(fs btrfs.FS) error {
		n, err := fs.Default()
		id = int64(n)
		return err
	})
	return id, err
}

// BtrfsSubvolumeShow returns what there is to know of a subvolume, under the names that
// btrfs(8) has for it.
func (s *Server) BtrfsSubvolumeShow(ctx context.Context, a *rpc.BtrfsSubvolumeShowArgs) ([]rpc.Pair, error) {
	list := pairs{}
	err := s.withBtrfsAt(a.Subvolume, func(fs btrfs.FS) error {
		var st unix.Statx_t
		img, err := s.image()
		if err != nil {
			return err
		}
		if err := img.Kernel().Fstatx(fs.FD, statMask, &st); err != nil {
			return err
		}
		if st.Ino != btrfs.SubvolumeInode {
			return errorf("not a subvolume")
		}
		i, err := fs.Info()
		if err != nil {
			return err
		}
		volumes, err := fs.Subvolumes()
		if err != nil {
			return err
		}
		snapshots, err := fs.Snapshots(volumes, i.UUID)
		list = volumePairs(i, volumes, snapshots)
		return err
	})
	return list, err
}

func volumePairs(i *btrfs.Info, volumes []btrfs.Subvolume, snapshots []string) pairs {
	name, flags := i.Name, ""
	if i.ID == btrfs.TopLevel {
		name = "<FS_TREE>"
	}
	if i.ReadOnly {
		flags = "readonly"
	}
	number := func(n uint64) string { return fmt.Sprint(n) }
	return pairs{
		{Key: "path", Value: pathOfVolume(volumes, i.ID)},
		{Key: "Name", Value: name},
		{Key: "UUID", Value: i.UUID.String()},
		{Key: "Parent UUID", Value: i.ParentUUID.String()},
		{Key: "Received UUID", Value: i.ReceivedUUID.String()},
		{Key: "Creation time", Value: volumeTime(i.Creation)},
		{Key: "Subvolume ID", Value: number(i.ID)},
		{Key: "Generation", Value: number(i.Generation)},
		{Key: "Gen at creation", Value: number(i.Created)},
		{Key: "Parent ID", Value: number(i.Parent)},
		{Key: "Top level ID", Value: number(i.Parent)},
		{Key: "Flags", Value: flags},
		{Key: "Send transid", Value: number(i.SentTransid)},
		{Key: "Send time", Value: volumeTime(i.Sent)},
		{Key: "Receive transid", Value: number(i.ReceivedTransid)},
		{Key: "Receive time", Value: volumeTime(i.Received)},
		{Key: "Snapshot(s)", Value: strings.Join(snapshots, ",")},
	}
}

// pathOfVolume returns the path of a subvolume from the top level, which is "/" itself.
func pathOfVolume(volumes []btrfs.Subvolume, id uint64) string {
	if id == btrfs.TopLevel {
		return "/"
	}
	for _, v := range volumes {
		if v.ID == id {
			return v.Path
		}
	}
	return ""
}

func volumeTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04:05 -0700")
}
