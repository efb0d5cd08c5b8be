package btrfsreceive

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/btrfsstream"
)

// change does what a command says with a file of the present subvolume.
func (r *receiver) change(c *btrfsstream.Command) error {
	path := "/" + c.Text(btrfsstream.Path)
	switch c.Kind {
	case btrfsstream.Write, btrfsstream.EncodedWrite, btrfsstream.Clone, btrfsstream.Fallocate:
		return r.data(c, path)
	case btrfsstream.UpdateExtent:
		// A stream without data only says where some has changed.
		return c.Err()
	case btrfsstream.FileAttr:
		// The kernel does not send it, and btrfs-receive(8) does nothing with it.
		return c.Err()
	}
	// A name may now be another file's.
	r.closeFile()
	switch c.Kind {
	case btrfsstream.Mkfile:
		return r.make(c, path, unix.S_IFREG|0o600, 0)
	case btrfsstream.Mkfifo:
		return r.make(c, path, unix.S_IFIFO|0o600, 0)
	case btrfsstream.Mksock:
		return r.make(c, path, unix.S_IFSOCK|0o600, 0)
	case btrfsstream.Mknod:
		mode, dev := c.Uint64(btrfsstream.Mode), c.Uint64(btrfsstream.Rdev)
		return r.make(c, path, uint32(mode&(unix.S_IFMT|0o7777)), int(uint32(dev)))
	case btrfsstream.Mkdir:
		if c.Err() != nil {
			return c.Err()
		}
		return r.view.Mkdirat(unix.AT_FDCWD, path, 0o700)
	case btrfsstream.Symlink:
		if target := c.Text(btrfsstream.PathLink); c.Err() == nil {
			return r.view.Symlinkat(target, unix.AT_FDCWD, path)
		}
	case btrfsstream.Link:
		if old := "/" + c.Text(btrfsstream.PathLink); c.Err() == nil {
			return r.view.Linkat(unix.AT_FDCWD, old, unix.AT_FDCWD, path, 0)
		}
	case btrfsstream.Rename:
		if to := "/" + c.Text(btrfsstream.PathTo); c.Err() == nil {
			return r.view.Renameat(unix.AT_FDCWD, path, unix.AT_FDCWD, to)
		}
	case btrfsstream.Unlink:
		if c.Err() == nil {
			return r.view.Unlinkat(unix.AT_FDCWD, path, 0)
		}
	case btrfsstream.Rmdir:
		if c.Err() == nil {
			return r.view.Unlinkat(unix.AT_FDCWD, path, unix.AT_REMOVEDIR)
		}
	default:
		return r.meta(c, path)
	}
	return c.Err()
}

func (r *receiver) make(c *btrfsstream.Command, path string, mode uint32, dev int) error {
	if c.Err() != nil {
		return c.Err()
	}
	return r.view.Mknodat(unix.AT_FDCWD, path, mode, dev)
}

// capabilities is the attribute that a chown(2) takes away.
const capabilities = "security.capability"

// meta changes what belongs to an inode.
func (r *receiver) meta(c *btrfsstream.Command, path string) error {
	switch c.Kind {
	case btrfsstream.SetXattr:
		name, value := c.Text(btrfsstream.XattrName), c.Bytes(btrfsstream.XattrData)
		if c.Err() != nil {
			break
		}
		if name == capabilities {
			r.capability = capability{path, bytes.Clone(value)}
		}
		return r.view.Lsetxattr(path, name, value, 0)
	case btrfsstream.RemoveXattr:
		if name := c.Text(btrfsstream.XattrName); c.Err() == nil {
			return r.view.Lremovexattr(path, name)
		}
	case btrfsstream.Truncate:
		size := c.Uint64(btrfsstream.Size)
		switch {
		case c.Err() != nil:
		case int64(size) < 0:
			return unix.EFBIG
		default:
			return r.view.Truncate(path, int64(size))
		}
	case btrfsstream.Chmod:
		if mode := c.Uint64(btrfsstream.Mode); c.Err() == nil {
			return r.view.Fchmodat(unix.AT_FDCWD, path, uint32(mode&0o7777), 0)
		}
	case btrfsstream.Chown:
		uid, gid := c.Uint64(btrfsstream.UID), c.Uint64(btrfsstream.GID)
		if c.Err() != nil {
			break
		}
		err := r.view.Fchownat(unix.AT_FDCWD, path, int(uint32(uid)), int(uint32(gid)), unix.AT_SYMLINK_NOFOLLOW)
		// Streams of Linux before 5.8 set the attribute first.
		if err == nil && r.capability.path == path {
			err = r.view.Lsetxattr(path, capabilities, r.capability.value, 0)
		}
		return err
	case btrfsstream.Utimes:
		atime, mtime := c.Time(btrfsstream.Atime), c.Time(btrfsstream.Mtime)
		if c.Err() != nil {
			break
		}
		return r.view.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{
			{Sec: atime.Unix(), Nsec: int64(atime.Nanosecond())}, {Sec: mtime.Unix(), Nsec: int64(mtime.Nanosecond())},
		}, unix.AT_SYMLINK_NOFOLLOW)
	}
	return c.Err()
}
