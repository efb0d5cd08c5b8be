package unboot

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// An FS is a tree of files in an image: a mounted file system, with others
// mounted into it maybe.
//
// It implements fs.FS, fs.StatFS, fs.ReadDirFS, fs.ReadFileFS, fs.ReadLinkFS,
// fs.GlobFS and fs.SubFS, and the methods of os.Root.
type FS struct {
	img *Image
}

var (
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.GlobFS     = (*FS)(nil)
	_ fs.SubFS      = (*FS)(nil)
)

// Image returns the image that the tree is in.
func (f *FS) Image() *Image { return f.img }

// Mounts returns what is mounted in the tree, the root first. Device is a
// device's Name.
func (f *FS) Mounts() []Mount { panic("not yet") }

// Problems returns, in words, what [Image.MountOS] has left out of the tree.
func (f *FS) Problems() []string { panic("not yet") }

// ReadOnly reports whether the root is mounted read-only.
func (f *FS) ReadOnly() bool { panic("not yet") }

// MountAt mounts one more device into the tree, on the directory dir. Errors
// are *[MountError], *fs.PathError, or wrap [ErrNotFound].
func (f *FS) MountAt(device, dir string, opts ...MountOption) error { panic("not yet") }

// Unmount writes everything and unmounts the tree, the last mounted first. The
// error says what could not be written. Files that are still open are closed:
// their methods return errors afterwards. Unmounting again returns nil, as
// does unmounting the result of [FS.Sub], which does nothing else.
func (f *FS) Unmount() error { panic("not yet") }

// Open opens a file for reading, as fs.FS. The file is a *[File].
func (f *FS) Open(name string) (fs.File, error) { panic("not yet") }

// Stat returns the metadata of a file, an *[Entry]; of a symbolic link, that of
// its target. See stat(2).
func (f *FS) Stat(name string) (fs.FileInfo, error) { panic("not yet") }

// Lstat is Stat of a symbolic link itself, as lstat(2).
func (f *FS) Lstat(name string) (fs.FileInfo, error) { panic("not yet") }

// ReadLink returns the target of a symbolic link, as readlink(2).
func (f *FS) ReadLink(name string) (string, error) { panic("not yet") }

// Readlink is ReadLink under the name that os.Root has for it.
func (f *FS) Readlink(name string) (string, error) { return f.ReadLink(name) }

// ReadDir returns the entries of a directory, sorted by name. They are
// *[Entry] and have their metadata.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) { panic("not yet") }

// ReadFile returns the content of a file. A small one takes one round trip to
// the kernel.
func (f *FS) ReadFile(name string) ([]byte, error) { panic("not yet") }

// Glob returns the names of the files that match pattern, as fs.Glob.
func (f *FS) Glob(pattern string) ([]string, error) { panic("not yet") }

// Sub returns the tree below dir, an *[FS]. Symbolic links in it cannot lead
// out: an absolute one starts at dir. It is unusable once f is unmounted.
func (f *FS) Sub(dir string) (fs.FS, error) { panic("not yet") }

// Statfs returns the sizes of the file system that name is in, as statfs(2).
func (f *FS) Statfs(name string) (*unix.Statfs_t, error) { panic("not yet") }

// Sync makes stable all that has been written to the tree, as syncfs(2) on each
// of its file systems. It reports errors of writing back.
func (f *FS) Sync() error { panic("not yet") }
