package unboot

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/internal/fsctl/ext4"
	"github.com/unboot/unboot/internal/fsctl/xfs"
)

// Grow makes the file system at the root of the tree as large as its device, while it is
// mounted: ext2 to ext4, XFS and btrfs. Nothing happens if it is that large. The error of
// another file system, which is an *fs.PathError, wraps [errors.ErrUnsupported].
func (f *FS) Grow() error {
	return f.call("grow", ".", func(p string) error {
		m := f.t.mounts[0]
		d, err := f.t.img.Device(m.Device)
		if err != nil {
			return err
		}
		return f.onRoot(p, func(root fsctl.File, st *unix.Statfs_t) error {
			switch m.Type {
			case "ext2", "ext3", "ext4":
				return growExt4(ext4.FS(root), st, d.Size)
			case "xfs":
				return growXFS(xfs.FS(root), d.Size)
			case "btrfs":
				return btrfs.FS(root).Grow()
			}
			return errors.ErrUnsupported
		})
	})
}

// Shrink makes the file system at the root of the tree size bytes large, which is not more
// than it has, while it is mounted: btrfs on one device, which moves what is past the new end
// to where there is room before that. The error is an *fs.PathError. It wraps unix.ENOSPC if there
// is none; the file system then has its former size, as it has if this is interrupted. It wraps
// [errors.ErrUnsupported] for another file system, such as ext4, which resize2fs(8) shrinks
// while it is not mounted.
func (f *FS) Shrink(size int64) error {
	return f.call("shrink", ".", func(p string) error {
		return f.onRoot(p, func(root fsctl.File, _ *unix.Statfs_t) error {
			if f.t.mounts[0].Type != "btrfs" {
				return errors.ErrUnsupported
			}
			return btrfs.FS(root).Resize(size)
		})
	})
}

// MinimumSize returns the size in bytes that [FS.Shrink] can make of the file system at the
// root of the tree, as it is now. Errors are as there.
func (f *FS) MinimumSize() (size int64, err error) {
	err = f.call("shrink", ".", func(p string) error {
		return f.atRoot(p, func(root fsctl.File, _ *unix.Statfs_t) error {
			if f.t.mounts[0].Type != "btrfs" {
				return errors.ErrUnsupported
			}
			first, err := btrfs.FS(root).First()
			if err == nil {
				size, err = btrfs.FS(root).MinimumSize(first)
			}
			return err
		})
	})
	return size, err
}

// Trim discards what is free of the file system at the root of the tree, so that it takes
// up no room in the image, as fstrim(8), and returns how many bytes that was. The error of
// a file system that cannot do so, which is an *fs.PathError, wraps unix.EOPNOTSUPP.
func (f *FS) Trim() (n uint64, err error) {
	err = f.call("trim", ".", func(p string) error {
		return f.onRoot(p, func(root fsctl.File, _ *unix.Statfs_t) error {
			// What was deleted a moment ago is free when that is on the device.
			if err := f.view.Syncfs(root.FD); err != nil {
				return err
			}
			n, err = root.Trim(fsctl.TrimRange{Length: fsctl.ToEnd})
			return err
		})
	})
	return n, err
}

// onRoot calls do with the root, open for ioctls that change the file system.
//
// Preconditions: the tree is in use, by call.
func (f *FS) onRoot(p string, do func(fsctl.File, *unix.Statfs_t) error) error {
	if f.ReadOnly() {
		return unix.EROFS
	}
	return f.atRoot(p, do)
}

// atRoot is onRoot for ioctls that change nothing.
func (f *FS) atRoot(p string, do func(fsctl.File, *unix.Statfs_t) error) error {
	fd, err := f.view.Open(p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer f.view.CloseFd(fd)
	var st unix.Statfs_t
	if err := f.view.Fstatfs(fd, &st); err != nil {
		return err
	}
	return do(fsctl.File{View: f.view, FD: fd}, &st)
}

func growExt4(f ext4.FS, st *unix.Statfs_t, size int64) error {
	if st.Bsize <= 0 {
		return fs.ErrInvalid
	}
	return f.Resize(uint64(size / st.Bsize))
}

func growXFS(f xfs.FS, size int64) error {
	g, err := f.Geometry()
	if err != nil {
		return err
	}
	blocks := uint64(size) / uint64(max(g.BlockSize, 1))
	if blocks <= g.DataBlocks {
		return nil
	}
	return f.GrowData(blocks, g.MaxPercent)
}
