package unboot

import (
	"io"
	"io/fs"
	"time"
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
	// set when written. What a file system cannot store is an error.
	Xattrs map[string][]byte
	// Link is the target of a symbolic link.
	Link string
	// Rdev is the device number of a device node, encoded as by unix.Mkdev.
	Rdev uint64
	// Size is that of a regular file, 0 if it is not known. It is only a hint
	// when a file is put: the reader decides.
	Size int64
}

// Metadata reads what [FS.Put] can write, in one or two round trips; of a
// symbolic link, its own.
func (f *FS) Metadata(name string) (*Metadata, error) { panic("not yet") }

// MetadataOf is Metadata for an entry that [FS.Walk] has met with the options
// Links and Xattrs: it makes no call unless the file has extended attributes.
func (f *FS) MetadataOf(e *Entry) (*Metadata, error) { panic("not yet") }

// Put makes a file of any type with all its metadata: a small regular file, and
// all others, in one round trip. Content is read from r until io.EOF, and may be
// nil. A file of that name is replaced, unless both are directories; the
// directory of name must exist. The last element of name is not followed if
// it is a symbolic link.
//
// The times of a directory change when files are put into it: set them last,
// with [FS.SetMetadata].
func (f *FS) Put(name string, m *Metadata, r io.Reader) error { panic("not yet") }

// SetMetadata sets the owner, permissions, times and extended attributes of an
// existing file to m's, in one round trip; of a symbolic link, its own.
func (f *FS) SetMetadata(name string, m *Metadata) error { panic("not yet") }
