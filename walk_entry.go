package unboot

import (
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// An Entry is a file of an image with its metadata. It is an fs.FileInfo and
// an fs.DirEntry. Where it was met in a directory, the metadata of a symbolic
// link is the link's own.
type Entry struct {
	name string
	dir  string // path of the directory, for Path; "" if that is the root

	// Stat is the metadata as statx(2) has it.
	Stat unix.Statx_t
	// Link is the target of a symbolic link, if it was asked for.
	Link string
	// XattrSize is the size of the list of names of extended attributes, if
	// it was asked for: 0 if there are none, -1 if that is not known.
	XattrSize int
	// Err is why Stat is not filled except for the type, or nil.
	Err error

	skip bool
}

// Name returns the last element of the path.
func (e *Entry) Name() string { return e.name }

// Path returns the path in the FS.
func (e *Entry) Path() string { return join(e.dir, e.name) }

// Size returns the size in bytes, for a symbolic link that of its target.
func (e *Entry) Size() int64 { return int64(e.Stat.Size) }

// Mode returns the type and the permissions.
func (e *Entry) Mode() fs.FileMode { return FileMode(uint32(e.Stat.Mode)) }

// Type returns the type bits of Mode.
func (e *Entry) Type() fs.FileMode { return e.Mode().Type() }

// IsDir reports whether it is a directory.
func (e *Entry) IsDir() bool { return e.Stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// ModTime returns the time of the last change of the content, in local time.
func (e *Entry) ModTime() time.Time { return statTime(e.Stat.Mtime) }

// AccessTime returns the time of the last access, in local time.
func (e *Entry) AccessTime() time.Time { return statTime(e.Stat.Atime) }

// Sys returns the metadata as *unix.Statx_t.
func (e *Entry) Sys() any { return &e.Stat }

// Info returns e, or the error that kept its metadata from being read.
func (e *Entry) Info() (fs.FileInfo, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	return e, nil
}

// SkipDir keeps a [FS.Walk] that is at this entry, a directory, from going into
// it.
func (e *Entry) SkipDir() { e.skip = true }

// String returns e as fs.FormatFileInfo does.
func (e *Entry) String() string { return fs.FormatFileInfo(e) }

func statTime(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }
