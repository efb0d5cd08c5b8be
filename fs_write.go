package unboot

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// OpenFile opens a file with the flags of package os (os.O_RDWR, os.O_CREATE
// and so on); a file that is created gets the permissions of perm as they are,
// setuid, setgid and sticky included. There is no umask.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	file := &File{fs: f, name: name, append: flag&os.O_APPEND != 0}
	err := f.call("open", name, func(p string) (err error) {
		file.fd, err = f.view.Open(p, flag|openFlags, permBits(perm))
		if err == nil {
			f.t.opened(file)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// OpenPath opens a file by the kernel's own rules, as open(2) with flags and mode: the path is
// one of [FS.View], absolute, in which ".." and a slash at the end mean something to it. It
// does not wait for the other side of a FIFO.
func (f *FS) OpenPath(path string, flags int, mode uint32) (*File, error) {
	err := f.begin()
	if err == nil {
		defer f.t.end()
		file := &File{fs: f, name: path, append: flags&unix.O_APPEND != 0}
		if file.fd, err = f.view.Open(path, flags|openFlags, mode); err == nil {
			f.t.opened(file)
			return file, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: err}
}

// Create creates or truncates a file, with the permissions 0666, and opens it
// for reading and writing.
func (f *FS) Create(name string) (*File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// maxChained is how much content goes into a chain of calls: for more, further
// round trips do not matter.
const maxChained = 256 << 10

// WriteFile writes data to a file, which is created with the permissions perm
// if need be and truncated otherwise.
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if len(data) > maxChained {
		file, err := f.OpenFile(name, flags, perm)
		if err != nil {
			return err
		}
		_, err = file.Write(data)
		return errors.Join(err, file.Close())
	}
	return f.call("write", name, func(p string) error {
		c := f.view.NewChain()
		open := c.Openat(unix.AT_FDCWD, p, flags|openFlags, permBits(perm))
		write := open
		if len(data) > 0 {
			write = c.Write(open.Fd(), data)
		}
		c.Close(open.Fd())
		if err := c.Run(); err != nil || len(data) == 0 {
			return err
		}
		if n, err := c.Result(write); err != nil || n < len(data) {
			return shortWrite(err)
		}
		return nil
	})
}

// shortWrite is the error of a write that has stopped in the middle: that
// happens when a disk is full.
func shortWrite(err error) error {
	if err == nil {
		return unix.ENOSPC
	}
	return err
}

// Mkdir makes a directory, as mkdir(2).
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	return f.call("mkdir", name, func(p string) error {
		return f.view.Mkdirat(unix.AT_FDCWD, p, permBits(perm))
	})
}

// MkdirAll makes a directory and those above it. It is not an error if name is a
// directory already.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	err := f.Mkdir(name, perm)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name != ".":
		if err := f.MkdirAll(path.Dir(name), perm); err != nil {
			return err
		}
		err = f.Mkdir(name, perm)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	case err == nil, !errors.Is(err, fs.ErrExist):
		// On a read-only file system, EROFS comes only for what is not
		// there.
		return err
	}
	e, serr := f.entry("mkdir", name, 0)
	switch {
	case serr != nil:
		return err
	case !e.IsDir():
		return f.pathError("mkdir", name, unix.ENOTDIR)
	}
	return nil
}

// Remove removes a file or an empty directory.
func (f *FS) Remove(name string) error {
	return f.call("remove", name, func(p string) error {
		err := f.view.Unlinkat(unix.AT_FDCWD, p, 0)
		// EISDIR is Linux's answer for directories, EPERM that of POSIX.
		if err == unix.EISDIR || err == unix.EPERM {
			if e := f.view.Unlinkat(unix.AT_FDCWD, p, unix.AT_REMOVEDIR); e != unix.ENOTDIR {
				return e
			}
		}
		return err
	})
}

// Rename renames a file, as os.Root's: it replaces newname, but not a directory,
// which is fs.ErrExist also where rename(2) would replace it because it is empty.
// (For that there is [github.com/unboot/unboot/lkl.View.Renameat].) Errors are
// *os.LinkError.
func (f *FS) Rename(oldname, newname string) error {
	return f.call2("rename", oldname, newname, func(o, n string) error {
		var from, to unix.Statx_t
		const mask = unix.STATX_TYPE | unix.STATX_INO
		err := f.view.Statx(unix.AT_FDCWD, n, unix.AT_SYMLINK_NOFOLLOW, mask, &to)
		if err == nil && to.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := f.view.Statx(unix.AT_FDCWD, o, unix.AT_SYMLINK_NOFOLLOW, mask, &from); err != nil {
				return err
			}
			// Where case does not matter, it can be changed.
			same := from.Ino == to.Ino && from.Dev_major == to.Dev_major && from.Dev_minor == to.Dev_minor
			if !same || o == n {
				return unix.EEXIST
			}
		}
		return f.view.Renameat(unix.AT_FDCWD, o, unix.AT_FDCWD, n)
	})
}

// Link makes a hard link newname to oldname, as link(2): of a symbolic link,
// not of its target. Errors are *os.LinkError.
func (f *FS) Link(oldname, newname string) error {
	return f.call2("link", oldname, newname, func(o, n string) error {
		return f.view.Linkat(unix.AT_FDCWD, o, unix.AT_FDCWD, n, 0)
	})
}

// Symlink makes a symbolic link newname with the target oldname, which is
// taken as it is. Errors are *os.LinkError.
func (f *FS) Symlink(oldname, newname string) error {
	err := f.call("symlink", newname, func(n string) error {
		return f.view.Symlinkat(oldname, unix.AT_FDCWD, n)
	})
	if err != nil {
		return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: errors.Unwrap(err)}
	}
	return nil
}

// call2 is call for two paths.
func (f *FS) call2(op, oldname, newname string, do func(o, n string) error) error {
	err := fs.ErrInvalid
	if validPath(oldname) && validPath(newname) {
		if err = f.begin(); err == nil {
			mark := f.t.img.mark()
			err = f.t.img.explain(do("/"+oldname, "/"+newname), mark, inodeAt(f.view, "/"+oldname))
			f.t.end()
		}
	}
	if err != nil {
		return &os.LinkError{Op: op, Old: oldname, New: newname, Err: f.hinted2(op, oldname, newname, err)}
	}
	return nil
}

// Mknod makes a file of any type, as mknod(2): a FIFO, a socket, a device node
// (dev is encoded as by unix.Mkdev), or an empty regular file.
func (f *FS) Mknod(name string, mode fs.FileMode, dev uint64) error {
	return f.call("mknod", name, func(p string) error {
		return f.view.Mknodat(unix.AT_FDCWD, p, UnixMode(mode), int(dev))
	})
}

// Chmod sets the permissions, setuid, setgid and sticky included. It follows
// symbolic links, whose own permissions cannot be changed.
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.call("chmod", name, func(p string) error {
		return f.view.Fchmodat(unix.AT_FDCWD, p, permBits(mode), 0)
	})
}

// Chown sets the owner; -1 leaves one as it is. It follows symbolic links. See
// chown(2), which may clear the setuid and setgid bits.
func (f *FS) Chown(name string, uid, gid int) error {
	return f.call("chown", name, func(p string) error {
		return f.view.Fchownat(unix.AT_FDCWD, p, uid, gid, 0)
	})
}

// Lchown is Chown of a symbolic link itself.
func (f *FS) Lchown(name string, uid, gid int) error {
	return f.call("lchown", name, func(p string) error {
		return f.view.Fchownat(unix.AT_FDCWD, p, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Chtimes sets the times of access and modification; a zero time leaves one as
// it is. It follows symbolic links.
func (f *FS) Chtimes(name string, atime, mtime time.Time) error {
	return f.call("chtimes", name, func(p string) error {
		return f.view.UtimesNanoAt(unix.AT_FDCWD, p, timespecs(atime, mtime), 0)
	})
}

// Lchtimes is Chtimes of a symbolic link itself.
func (f *FS) Lchtimes(name string, atime, mtime time.Time) error {
	return f.call("lchtimes", name, func(p string) error {
		return f.view.UtimesNanoAt(unix.AT_FDCWD, p, timespecs(atime, mtime), unix.AT_SYMLINK_NOFOLLOW)
	})
}

// timespecs returns what utimensat(2) wants.
func timespecs(times ...time.Time) []unix.Timespec {
	ts := make([]unix.Timespec, len(times))
	for i, t := range times {
		if t.IsZero() {
			ts[i].Nsec = unix.UTIME_OMIT
			continue
		}
		// Not from UnixNano, which ends in 2262.
		ts[i] = unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
	}
	return ts
}

// Truncate sets the size of a file, as truncate(2).
func (f *FS) Truncate(name string, size int64) error {
	return f.call("truncate", name, func(p string) error { return f.view.Truncate(p, size) })
}
