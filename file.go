package unboot

import (
	"io"
	"io/fs"
	"time"
)

// A File is an open file or directory of an image. Like an os.File it can be
// used from several goroutines at once, which share one offset; ReadAt and
// WriteAt have none.
//
// Large reads and writes go between the disk and the program's memory with one
// copy at most; [File.WriteTo] and [File.ReadFrom] keep several requests in
// flight and are the fastest way to move a whole file.
type File struct {
	fs   *FS
	name string
}

var (
	_ fs.ReadDirFile  = (*File)(nil)
	_ io.ReaderAt     = (*File)(nil)
	_ io.WriterAt     = (*File)(nil)
	_ io.Seeker       = (*File)(nil)
	_ io.WriterTo     = (*File)(nil)
	_ io.ReaderFrom   = (*File)(nil)
	_ io.StringWriter = (*File)(nil)
)

// Name returns the path with which the file was opened.
func (f *File) Name() string { return f.name }

// Fd returns the kernel's descriptor, for the methods of
// [Image.Kernel]. It means nothing to the host. It is valid until Close.
func (f *File) Fd() int { panic("not yet") }

// Close closes the file. It does not make stable what was written: see Sync.
// Closing again is fs.ErrClosed.
func (f *File) Close() error { panic("not yet") }

// Stat returns the metadata, an *[Entry].
func (f *File) Stat() (fs.FileInfo, error) { panic("not yet") }

// ReadDir reads entries of a directory in its own order, as
// fs.ReadDirFile: the next n, or all that are left if n <= 0. They are
// *[Entry] and have their metadata.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) { panic("not yet") }

// Read reads from the file's offset.
func (f *File) Read(p []byte) (int, error) { panic("not yet") }

// ReadAt reads at an offset, as io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { panic("not yet") }

// Write writes at the file's offset, or at the end if it was opened with
// os.O_APPEND.
func (f *File) Write(p []byte) (int, error) { panic("not yet") }

// WriteString is Write of a string.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// WriteAt writes at an offset, as io.WriterAt. It is an error for a file that was
// opened with os.O_APPEND.
func (f *File) WriteAt(p []byte, off int64) (int, error) { panic("not yet") }

// Seek moves the file's offset, as lseek(2). whence may also be
// unix.SEEK_DATA or unix.SEEK_HOLE.
func (f *File) Seek(offset int64, whence int) (int64, error) { panic("not yet") }

// WriteTo writes the rest of the file to w. Several requests are in flight, and
// if w is an *os.File the data is written from where the kernel has put it.
func (f *File) WriteTo(w io.Writer) (int64, error) { panic("not yet") }

// ReadFrom writes what it reads from r until io.EOF at the file's offset, while
// it reads on.
func (f *File) ReadFrom(r io.Reader) (int64, error) { panic("not yet") }

// Truncate sets the size, as ftruncate(2).
func (f *File) Truncate(size int64) error { panic("not yet") }

// Sync makes the file stable, as fsync(2).
func (f *File) Sync() error { panic("not yet") }

// Chmod sets the permissions, as [FS.Chmod].
func (f *File) Chmod(mode fs.FileMode) error { panic("not yet") }

// Chown sets the owner, as [FS.Chown].
func (f *File) Chown(uid, gid int) error { panic("not yet") }

// Chtimes sets the times of access and modification, as [FS.Chtimes].
func (f *File) Chtimes(atime, mtime time.Time) error { panic("not yet") }

// Punch makes a hole: the range reads as zeros and takes no space, as
// fallocate(2) with FALLOC_FL_PUNCH_HOLE. The size stays.
func (f *File) Punch(off, n int64) error { panic("not yet") }

// Allocate reserves space for a range, as fallocate(2); the file grows if need
// be.
func (f *File) Allocate(off, n int64) error { panic("not yet") }

// An Extent is a range of a file, in bytes.
type Extent struct {
	Offset, Length int64
}

// Extents returns the ranges of a regular file that hold data; what is between
// them is holes, which read as zeros. It is found by lseek(2) with SEEK_DATA
// and SEEK_HOLE: where the file system cannot tell, the file is one extent. The
// file's offset stays.
func (f *File) Extents() ([]Extent, error) { panic("not yet") }
