package unboot

import (
	"io/fs"
	"time"
)

// OpenFile opens a file with the flags of package os (os.O_RDWR, os.O_CREATE
// and so on); a file that is created gets the permissions of perm as they are,
// setuid, setgid and sticky included. There is no umask.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) { panic("not yet") }

// Create creates or truncates a file, with the permissions 0666, and opens it
// for reading and writing.
func (f *FS) Create(name string) (*File, error) { panic("not yet") }

// WriteFile writes data to a file, which is created with the permissions perm
// if need be and truncated otherwise.
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error { panic("not yet") }

// Mkdir makes a directory, as mkdir(2).
func (f *FS) Mkdir(name string, perm fs.FileMode) error { panic("not yet") }

// MkdirAll makes a directory and those above it. It is no error if name is a
// directory already.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error { panic("not yet") }

// Remove removes a file or an empty directory.
func (f *FS) Remove(name string) error { panic("not yet") }

// RemoveAll removes a file, or a directory and all below it, as far as it can,
// and returns the first error. It does not follow symbolic links, and does not
// go into other file systems mounted below. It is no error if name does not
// exist; to remove "." is one.
func (f *FS) RemoveAll(name string) error { panic("not yet") }

// Rename renames a file, as rename(2): it replaces newname. Errors are
// *os.LinkError.
func (f *FS) Rename(oldname, newname string) error { panic("not yet") }

// Link makes a hard link newname to oldname, as link(2): of a symbolic link,
// not of its target. Errors are *os.LinkError.
func (f *FS) Link(oldname, newname string) error { panic("not yet") }

// Symlink makes a symbolic link newname with the target oldname, which is
// taken as it is. Errors are *os.LinkError.
func (f *FS) Symlink(oldname, newname string) error { panic("not yet") }

// Mknod makes a file of any type, as mknod(2): a FIFO, a socket, a device node
// (dev is encoded as by unix.Mkdev), or an empty regular file.
func (f *FS) Mknod(name string, mode fs.FileMode, dev uint64) error { panic("not yet") }

// Chmod sets the permissions, setuid, setgid and sticky included. It follows
// symbolic links, whose own permissions cannot be changed.
func (f *FS) Chmod(name string, mode fs.FileMode) error { panic("not yet") }

// Chown sets the owner; -1 leaves one as it is. It follows symbolic links. See
// chown(2), which may clear the setuid and setgid bits.
func (f *FS) Chown(name string, uid, gid int) error { panic("not yet") }

// Lchown is Chown of a symbolic link itself.
func (f *FS) Lchown(name string, uid, gid int) error { panic("not yet") }

// Chtimes sets the times of access and modification; a zero time leaves one as
// it is. It follows symbolic links.
func (f *FS) Chtimes(name string, atime, mtime time.Time) error { panic("not yet") }

// Lchtimes is Chtimes of a symbolic link itself.
func (f *FS) Lchtimes(name string, atime, mtime time.Time) error { panic("not yet") }

// Truncate sets the size of a file, as truncate(2).
func (f *FS) Truncate(name string, size int64) error { panic("not yet") }
