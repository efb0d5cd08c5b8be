package unboot

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A File is an open file or directory of an image. Like an os.File it can be
// used from several goroutines at once, which share one offset; ReadAt and
// WriteAt have none.
//
// Large reads and writes go between the disk and the program's memory with one
// copy at most; [File.WriteTo] and [File.ReadFrom] keep several requests in
// flight and are the fastest way to move a whole file.
type File struct {
	fs     *FS
	name   string
	append bool
	device bool // guarded by life: a block device's node that may be written to

	// life is held for reading by each call, and for writing to close: a
	// descriptor that is closed may be another file's at once.
	life   sync.RWMutex
	fd     int  // guarded by life
	closed bool // guarded by life

	// posMu is held while the kernel works, and never while a caller's code
	// runs.
	posMu    sync.Mutex
	pos      int64   // guarded by posMu
	appended bool    // guarded by posMu: the offset is not pos but the kernel's
	dir      *dirBuf // guarded by posMu
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

// opened notes a file, to be closed with the tree.
func (t *tree) opened(f *File) {
	t.mu.Lock()
	t.files[f] = struct{}{}
	t.mu.Unlock()
}

// call runs a call on the open file.
func (f *File) call(op string, do func(fd int) error) error {
	return f.pathError(op, f.do(do))
}

// do is call without a path in its error.
func (f *File) do(do func(fd int) error) error {
	f.life.RLock()
	defer f.life.RUnlock()
	if f.closed {
		return os.ErrClosed
	}
	img := f.fs.t.img
	mark := img.mark()
	return img.explain(do(f.fd), mark, f.inode)
}

// inode returns the number of the file's inode, or 0.
//
// Preconditions: life is held.
func (f *File) inode() uint64 {
	var st unix.Statx_t
	if f.fs.view.Fstatx(f.fd, unix.STATX_INO, &st) != nil {
		return 0
	}
	return st.Ino
}

func (f *File) pathError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return f.fs.pathError(op, f.name, err)
}

// Name returns the path with which the file was opened.
func (f *File) Name() string { return f.name }

// View returns the kernel's system calls as the file's tree has them: see [FS.View].
func (f *File) View() *lkl.View { return f.fs.view }

// Fd returns the kernel's descriptor, for the methods of
// [Image.Kernel]. It means nothing to the host. It is valid until Close.
func (f *File) Fd() int { return f.fd }

// Close closes the file. It does not make stable what was written: see Sync. What was written
// to a block device has gone there, or the error says that it has not.
// Closing again is fs.ErrClosed.
func (f *File) Close() error {
	t := f.fs.t
	t.mu.Lock()
	delete(t.files, f)
	t.mu.Unlock()
	return f.pathError("close", f.closeLocked())
}

// closeLocked closes the file when it can no longer be found in the tree.
func (f *File) closeLocked() error {
	f.life.Lock()
	defer f.life.Unlock()
	if f.closed {
		return os.ErrClosed
	}
	f.closed = true
	var err error
	if f.device {
		// The kernel writes at the last close what it has of a device, and keeps an error
		// to itself. Where a file system is, it reports that by syncing and unmounting.
		const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
		err = f.fs.view.SyncFileRange(f.fd, 0, 0, all)
	}
	return errors.Join(err, f.fs.view.CloseFd(f.fd))
}

// Stat returns the metadata, an *[Entry].
func (f *File) Stat() (fs.FileInfo, error) {
	e := newEntry(f.name)
	if err := f.call("stat", func(fd int) error { return f.fs.view.Fstatx(fd, allStat, &e.Stat) }); err != nil {
		return nil, err
	}
	return e, nil
}

// Size returns the size in bytes of a regular file or a block device; that of others is
// what Stat says. The offset stays.
func (f *File) Size() (size int64, err error) {
	err = f.call("size", func(fd int) error {
		var st unix.Statx_t
		if err := f.fs.view.Fstatx(fd, unix.STATX_TYPE|unix.STATX_SIZE, &st); err != nil {
			return err
		}
		size = int64(st.Size)
		if st.Mode&unix.S_IFMT != unix.S_IFBLK {
			return nil
		}
		n, err := f.fs.view.IoctlGetUint64(fd, unix.BLKGETSIZE64)
		size = int64(n)
		return err
	})
	return size, err
}

// Truncate sets the size, as ftruncate(2).
func (f *File) Truncate(size int64) error {
	return f.call("truncate", func(fd int) error { return f.fs.view.Ftruncate(fd, size) })
}

// Sync makes the file stable, as fsync(2).
func (f *File) Sync() error {
	return f.call("sync", f.fs.view.Fsync)
}

// Chmod sets the permissions, as [FS.Chmod].
func (f *File) Chmod(mode fs.FileMode) error {
	return f.call("chmod", func(fd int) error { return f.fs.view.Fchmod(fd, permBits(mode)) })
}

// Chown sets the owner, as [FS.Chown].
func (f *File) Chown(uid, gid int) error {
	return f.call("chown", func(fd int) error { return f.fs.view.Fchown(fd, uid, gid) })
}

// Chtimes sets the times of access and modification, as [FS.Chtimes].
func (f *File) Chtimes(atime, mtime time.Time) error {
	return f.call("chtimes", func(fd int) error { return f.fs.view.Futimens(fd, timespecs(atime, mtime)) })
}

// Punch makes a hole: the range reads as zeros and takes no space, as
// fallocate(2) with FALLOC_FL_PUNCH_HOLE. The size stays.
func (f *File) Punch(off, n int64) error {
	return f.call("punch", func(fd int) error {
		return f.fs.view.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}

// Allocate reserves space for a range, as fallocate(2); the file grows if need
// be.
func (f *File) Allocate(off, n int64) error {
	return f.call("allocate", func(fd int) error { return f.fs.view.Fallocate(fd, 0, off, n) })
}

// An Extent is a range of a file, in bytes.
type Extent struct {
	Offset, Length int64
}

// Extents returns the ranges of a regular file that hold data; what is between
// them is holes, which read as zeros. It is found by lseek(2) with SEEK_DATA
// and SEEK_HOLE: where the file system does not know, the file is one extent. The
// file's offset stays.
func (f *File) Extents() ([]Extent, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	// The kernel's own offset is moved by this.
	if _, err := f.offsetLocked(); err != nil {
		return nil, f.pathError("seek", err)
	}
	var list []Extent
	err := f.call("seek", func(fd int) error {
		for pos := int64(0); ; {
			data, err := f.fs.view.Seek(fd, pos, unix.SEEK_DATA)
			if err == unix.ENXIO {
				return nil // no data from pos on
			}
			if err != nil {
				return err
			}
			hole, err := f.fs.view.Seek(fd, data, unix.SEEK_HOLE)
			if err == unix.ENXIO {
				return nil // the file has ended before, or f2fs found what it keeps past its end
			}
			if err != nil {
				return err
			}
			if data < pos || hole <= data {
				return unix.EUCLEAN
			}
			list = append(list, Extent{data, hole - data})
			pos = hole
		}
	})
	return list, err
}

// A dirBuf is what a File has read of a directory and not given out.
type dirBuf struct {
	entries []Entry
	ended   bool
}

// ReadDir reads entries of a directory in its own order, as
// fs.ReadDirFile: the next n, or all that are left if n <= 0. They are
// *[Entry] and have their metadata.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	list := []fs.DirEntry{}
	var c circle
	for n <= 0 || len(list) < n {
		if err := c.check(len(list), func(i int) string { return list[i].Name() }); err != nil && n <= 0 {
			return list, f.pathError("readdir", err)
		}
		if f.dir == nil || len(f.dir.entries) == 0 {
			if f.dir != nil && f.dir.ended {
				break
			}
			if err := f.call("readdir", f.fillDir); err != nil {
				return list, err
			}
			continue
		}
		list = append(list, &f.dir.entries[0])
		f.dir.entries = f.dir.entries[1:]
	}
	if n > 0 && len(list) == 0 {
		return list, io.EOF
	}
	return list, nil
}

// fillDir reads the next entries of a directory.
//
// Preconditions: posMu is held.
func (f *File) fillDir(fd int) error {
	buf := make([]byte, dirChunk)
	n, err := f.fs.view.Readdirents(fd, buf, allStat, 0)
	if err != nil {
		return err
	}
	f.dir = &dirBuf{ended: n == 0}
	f.dir.entries, err = parseEntries(nil, path.Clean(f.name), buf[:n])
	return err
}
