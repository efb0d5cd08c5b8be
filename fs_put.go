package unboot

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Metadata is what a file has besides its content. It can be taken from one
// image and put into another.
type Metadata struct {
	// Mode is the type and the permissions.
	Mode fs.FileMode
	// UID and GID are the owner. -1 leaves it to the kernel, which makes
	// files owned by root.
	UID, GID int
	// Atime and Mtime are set unless zero.
	Atime, Mtime time.Time
	// Xattrs holds extended attributes: all of them when read, and those to
	// set when written. Metadata that a file system cannot store is an error.
	Xattrs map[string][]byte
	// Link is the target of a symbolic link.
	Link string
	// Rdev is the device number of a device node, encoded as by unix.Mkdev.
	Rdev uint64
	// Size is that of a regular file, 0 if it is not known. It is only a hint
	// when a file is put: the reader decides.
	Size int64
}

// Metadata reads what [FS.Put] can write; for a symbolic link, that of the link itself.
func (f *FS) Metadata(name string) (*Metadata, error) {
	e, err := f.entry("lstat", name, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	e.XattrSize = -1
	if e.Type() == fs.ModeSymlink {
		if e.Link, err = f.ReadLink(name); err != nil {
			return nil, err
		}
	}
	return f.MetadataOf(e)
}

// MetadataOf is Metadata for an entry that [FS.Walk] has met with the options
// Links and Xattrs: it makes no call unless the file has extended attributes.
func (f *FS) MetadataOf(e *Entry) (*Metadata, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	m := &Metadata{
		Mode: e.Mode(),
		UID:  int(e.Stat.Uid), GID: int(e.Stat.Gid),
		Atime: e.AccessTime(), Mtime: e.ModTime(),
		Link: e.Link,
	}
	switch {
	case m.Mode.IsRegular():
		m.Size = e.Size()
	case m.Mode&fs.ModeDevice != 0:
		m.Rdev = unix.Mkdev(e.Stat.Rdev_major, e.Stat.Rdev_minor)
	}
	if e.XattrSize == 0 {
		return m, nil
	}
	var err error
	m.Xattrs, err = f.Xattrs(e.Path())
	return m, err
}

// Put makes a file of any type with all its metadata: a small regular file, and
// all others, in one round trip. Content is read from r until io.EOF, and may be
// nil. A file of that name is replaced, unless both are directories; the
// directory of name must exist. The last element of name is not followed if
// it is a symbolic link. Which call has failed for a file that was made already
// is in a [*CallError].
//
// The times of a directory change when files are put into it: set them last,
// with [FS.SetMetadata].
func (f *FS) Put(name string, m *Metadata, r io.Reader) error {
	if !m.Mode.IsRegular() {
		return f.putNode(name, m)
	}
	var data []byte
	var err error
	if r != nil {
		// One byte more than the known size, to see the end.
		size := maxChained
		if m.Size > 0 && m.Size < maxChained {
			size = int(m.Size) + 1
		}
		data = make([]byte, size)
		n, rerr := readFull(r, data)
		data = data[:n]
		if rerr != nil && rerr != io.EOF {
			return rerr
		}
		if rerr == nil {
			return f.putLarge(name, m, data, r)
		}
	}
	return f.replace("put", name, func(p string) error {
		c := f.view.NewChain()
		open := c.Openat(unix.AT_FDCWD, p, createNew, permBits(m.Mode))
		write := open
		if len(data) > 0 {
			write = c.Write(open.Fd(), data)
		}
		first := lkl.Link(c.Len())
		m.set(c, open.Fd())
		c.Close(open.Fd())
		err = c.Run()
		if n, werr := c.Result(write); write != open && (werr != unix.ECANCELED && werr != nil || err == nil && n < len(data)) {
			return &CallError{Call: "write", Err: shortWrite(werr)}
		}
		return m.blame(c, first, err)
	})
}

// createNew are the flags to open a file that must not exist.
const createNew = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | openFlags

// putLarge is Put for a file whose content does not go into a chain. head is
// what has been read of it.
func (f *FS) putLarge(name string, m *Metadata, head []byte, r io.Reader) error {
	file := &File{fs: f, name: name}
	err := f.replace("put", name, func(p string) (err error) {
		file.fd, err = f.view.Open(p, createNew, permBits(m.Mode))
		if err == nil {
			f.t.opened(file)
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err = file.Write(head); err == nil {
		_, err = file.ReadFrom(r)
	}
	if err == nil {
		err = file.call("put", func(fd int) error {
			c := f.view.NewChain()
			m.set(c, fd)
			return m.blame(c, 0, c.Run())
		})
	}
	return errors.Join(err, file.Close())
}

// set adds the calls that set the metadata of an open file. Owners come before
// permissions and attributes, for chown(2) takes away setuid and capabilities.
func (m *Metadata) set(c *lkl.Chain, fd int) {
	if m.UID >= 0 || m.GID >= 0 {
		c.Fchown(fd, m.UID, m.GID)
	}
	c.Fchmod(fd, permBits(m.Mode))
	for _, attr := range slices.Sorted(maps.Keys(m.Xattrs)) {
		c.Fsetxattr(fd, attr, m.Xattrs[attr], 0)
	}
	if m.hasTimes() {
		c.Futimens(fd, timespecs(m.Atime, m.Mtime))
	}
}

func (m *Metadata) hasTimes() bool { return !m.Atime.IsZero() || !m.Mtime.IsZero() }

// setPath is set for a path, whose last element is not followed.
func (m *Metadata) setPath(c *lkl.Chain, p string) {
	if m.UID >= 0 || m.GID >= 0 {
		c.Fchownat(unix.AT_FDCWD, p, m.UID, m.GID, unix.AT_SYMLINK_NOFOLLOW)
	}
	if m.Mode.Type() != fs.ModeSymlink {
		c.Fchmodat(unix.AT_FDCWD, p, permBits(m.Mode))
	}
	for _, attr := range slices.Sorted(maps.Keys(m.Xattrs)) {
		c.Lsetxattr(p, attr, m.Xattrs[attr], 0)
	}
	if m.hasTimes() {
		c.UtimesNanoAt(unix.AT_FDCWD, p, timespecs(m.Atime, m.Mtime), unix.AT_SYMLINK_NOFOLLOW)
	}
}

// putNode is Put for what is not a regular file.
func (f *FS) putNode(name string, m *Metadata) error {
	make := func(c *lkl.Chain, p string) {
		switch m.Mode.Type() {
		case fs.ModeDir:
			c.Mkdirat(unix.AT_FDCWD, p, permBits(m.Mode))
		case fs.ModeSymlink:
			c.Symlinkat(m.Link, unix.AT_FDCWD, p)
		default:
			c.Mknodat(unix.AT_FDCWD, p, UnixMode(m.Mode), int(m.Rdev))
		}
	}
	put := func(p string) error {
		c := f.view.NewChain()
		make(c, p)
		m.setPath(c, p)
		return m.blame(c, 1, c.Run())
	}
	if m.Mode.IsDir() {
		err := f.call("put", name, put)
		if errors.Is(err, fs.ErrExist) {
			if e, serr := f.entry("put", name, unix.AT_SYMLINK_NOFOLLOW); serr == nil && e.IsDir() {
				return f.SetMetadata(name, m)
			}
		} else {
			return err
		}
	}
	return f.replace("put", name, put)
}

// replace runs a call that makes a new file, and if there is one of the name
// removes that and tries again. A directory is only replaced if it is empty.
func (f *FS) replace(op, name string, do func(p string) error) error {
	err := f.call(op, name, do)
	if !errors.Is(err, fs.ErrExist) || name == "." {
		return err
	}
	if err := f.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.call(op, name, do)
}

// SetMetadata sets the owner, permissions, times and extended attributes of an
// existing file to m's, in one round trip; of a symbolic link, its own. m.Mode
// must have the file's type.
func (f *FS) SetMetadata(name string, m *Metadata) error {
	return f.call("setmetadata", name, func(p string) error {
		c := f.view.NewChain()
		m.setPath(c, p)
		return m.blame(c, 0, c.Run())
	})
}
