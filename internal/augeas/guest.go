package augeas

import (
	"context"
	"io"

	"golang.org/x/sys/unix"
)

// A Guest is the tree of files that Augeas edits. Its paths are absolute, and a symbolic
// link in one leads nowhere but into the tree.
type Guest interface {
	// Mounted reports whether there is a tree: a handle outlives an unmount.
	Mounted() bool
	// Glob returns the paths that a pattern matches, as glob(3) without flags. A pattern
	// with a slash at its end matches directories, and the paths end in a slash.
	Glob(ctx context.Context, pattern string) ([]string, error)
	// Open opens a file, whatever a device of the same name is. flags and perm are
	// those of open(2).
	Open(name string, flags int, perm uint32) (File, error)
	Stat(name string) (unix.Statx_t, error)
	Lstat(name string) (unix.Statx_t, error)
	// Remove is unlink(2).
	Remove(name string) error
	// Realpath is realpath(3).
	Realpath(name string) (string, error)
	// Perm returns the permissions that a new file gets.
	Perm() uint32
}

// A File is an open file of a guest.
type File interface {
	io.Reader
	io.WriterAt
	io.Closer
	Stat() (unix.Statx_t, error)
	Truncate(size int64) error
	Chown(uid, gid int) error
	Chmod(mode uint32) error
}

// A FileError is the error of a file of the guest.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }
