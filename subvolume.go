package unboot

import (
	"fmt"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// A Subvolume is a subvolume of a btrfs, or a snapshot of one; see btrfs-subvolume(8).
// UUIDs are "" if there are none, times are zero.
type Subvolume struct {
	ID     uint64
	Parent uint64 // the ID of the subvolume that it lies in; 5 is the top level
	Path   string // from the top level, without a slash at its start
	UUID   string
	// ParentUUID is that of the subvolume that it is a snapshot of, and ReceivedUUID that
	// of the one that it was received from.
	ParentUUID, ReceivedUUID string
	Generation               uint64 // the transaction that changed it last
	Created                  uint64 // the transaction that made it
	Creation                 time.Time
	ReadOnly                 bool
	Default                  bool // it is mounted where no subvolume is named
}

// Subvolumes returns the subvolumes of the btrfs that the directory name is on, all but the
// top level, in the order of their IDs. They may lie outside of what is mounted: mounted
// with the option subvolid=5, the tree has them all. The error wraps unix.ENOTTY if it is
// another file system.
func (f *FS) Subvolumes(name string) (list []Subvolume, err error) {
	err = f.onBtrfs("subvolumes", name, func(b btrfs.FS) error {
		list, err = listSubvolumes(b)
		return err
	})
	return list, err
}

func listSubvolumes(b btrfs.FS) ([]Subvolume, error) {
	volumes, err := b.Subvolumes()
	if err != nil || len(volumes) == 0 {
		return nil, err
	}
	roots, err := b.Roots()
	if err != nil {
		return nil, err
	}
	def, err := b.Default()
	if err != nil {
		return nil, err
	}
	list := make([]Subvolume, 0, len(volumes))
	for _, v := range volumes {
		r := roots[v.ID]
		list = append(list, Subvolume{
			ID: v.ID, Parent: v.Parent, Path: v.Path,
			UUID: r.UUID.String(), ParentUUID: r.ParentUUID.String(), ReceivedUUID: r.ReceivedUUID.String(),
			Generation: r.Generation, Created: r.Created, Creation: r.Creation, ReadOnly: r.ReadOnly, Default: v.ID == def,
		})
	}
	return list, nil
}

// onBtrfs calls do with a directory that is open for ioctls.
func (f *FS) onBtrfs(op, name string, do func(btrfs.FS) error) error {
	return f.call(op, name, func(p string) error { return f.withDir(p, do) })
}

// withDir calls do with a directory that is open for ioctls.
//
// Preconditions: the tree is in use, by call.
func (f *FS) withDir(p string, do func(btrfs.FS) error) error {
	fd, err := f.view.Open(p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer f.view.CloseFd(fd)
	return do(btrfs.FS{View: f.view, FD: fd})
}

// withSubvolume is withDir for what only the root directory of a subvolume takes.
func (f *FS) withSubvolume(p string, do func(btrfs.FS) error) error {
	return f.withDir(p, func(b btrfs.FS) error {
		var st unix.Statx_t
		if err := f.view.Fstatx(b.FD, unix.STATX_INO, &st); err != nil {
			return err
		}
		if st.Ino != btrfs.SubvolumeInode {
			return errNoSubvolume
		}
		return do(b)
	})
}

// onSubvolume is onBtrfs for what only the root directory of a subvolume takes.
func (f *FS) onSubvolume(op, name string, do func(btrfs.FS) error) error {
	return f.call(op, name, func(p string) error { return f.withSubvolume(p, do) })
}

// inParent calls do with the directory that a name is in, and the name's last element.
func (f *FS) inParent(op, name string, do func(dir btrfs.FS, base string) error) error {
	return f.call(op, name, func(p string) error {
		dir, base := path.Split(p)
		if base == "." {
			return unix.EBUSY
		}
		return f.withDir(dir, func(b btrfs.FS) error { return do(b, base) })
	})
}

// CreateSubvolume makes an empty subvolume, which must not exist.
func (f *FS) CreateSubvolume(name string) error {
	return f.inParent("subvolume create", name, func(dir btrfs.FS, base string) error { return dir.Create(base, nil) })
}

// SnapshotSubvolume makes a snapshot of the subvolume source under a name that must not
// exist, on the same file system. A read-only one can be sent: see [FS.SendSubvolume].
func (f *FS) SnapshotSubvolume(source, name string, readOnly bool) error {
	const op = "subvolume snapshot"
	if !validPath(source) {
		return f.pathError(op, source, unix.EINVAL)
	}
	return f.inParent(op, name, func(dir btrfs.FS, base string) error {
		return f.withSubvolume("/"+source, func(b btrfs.FS) error { return dir.Snapshot(base, b.FD, readOnly, nil) })
	})
}

// DeleteSubvolume deletes a subvolume with all files in it. One in which there are others
// is not deleted: the error wraps unix.ENOTEMPTY.
func (f *FS) DeleteSubvolume(name string) error {
	return f.inParent("subvolume delete", name, func(dir btrfs.FS, base string) error {
		// The kernel's answer for any other directory is the same errno as for an
		// argument that it does not understand.
		err := f.isSubvolume("/" + name)
		if err == nil {
			err = dir.Delete(base)
		}
		return err
	})
}

// SetDefaultSubvolume makes a subvolume that which is mounted where none is named.
func (f *FS) SetDefaultSubvolume(name string) error {
	return f.onSubvolume("subvolume set-default", name, func(b btrfs.FS) error {
		i, err := b.Info()
		if err != nil {
			return err
		}
		return b.SetDefault(i.ID)
	})
}

// SetSubvolumeReadOnly makes a subvolume read-only, or writable.
func (f *FS) SetSubvolumeReadOnly(name string, on bool) error {
	return f.onSubvolume("subvolume property", name, func(b btrfs.FS) error { return b.SetReadOnly(on) })
}

// Subvolume returns what is known of the subvolume that the directory name is in. The path
// of the top level is "", and so is that of a subvolume which has just been deleted.
func (f *FS) Subvolume(name string) (v *Subvolume, err error) {
	err = f.onBtrfs("subvolume show", name, func(b btrfs.FS) error {
		i, err := b.Info()
		if err != nil {
			return err
		}
		list, err := listSubvolumes(b)
		if err != nil {
			return err
		}
		if n := slices.IndexFunc(list, func(v Subvolume) bool { return v.ID == i.ID }); n >= 0 {
			v = &list[n]
			return nil
		}
		def, err := b.Default()
		v = &Subvolume{ID: i.ID, UUID: i.UUID.String(), ReceivedUUID: i.ReceivedUUID.String(), Generation: i.Generation,
			Created: i.Created, Creation: i.Creation, ReadOnly: i.ReadOnly, Default: i.ID == def}
		return err
	})
	return v, err
}

// errNoSubvolume is the reason why a directory is not taken for a subvolume.
var errNoSubvolume = fmt.Errorf("%w: not a subvolume", unix.EINVAL)

// isSubvolume returns an error unless a path leads to the root directory of a subvolume.
func (f *FS) isSubvolume(p string) error {
	var st unix.Statx_t
	if err := f.view.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_TYPE, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Ino != btrfs.SubvolumeInode {
		return errNoSubvolume
	}
	return nil
}
