package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MinSize is the size of the smallest disk, in bytes.
const MinSize = 512

// Options say how [OpenRaw] is to open a disk. The zero value is for reading.
type Options struct {
	// Writable opens for reading and writing, and locks the disk.
	Writable bool
	// NoLock leaves out the lock.
	NoLock bool
	// LockLater leaves the lock of an image file to [Raw.Lock], for those who must
	// look at the content first. A block device is locked all the same.
	LockLater bool
	// AnyFormat opens images that are recognized as being in another format
	// as if they were raw.
	AnyFormat bool
	// CacheDir is a folder of the host in which blocks of images elsewhere are kept for
	// later, or "". It does not matter for disks of the host.
	CacheDir string
	// CacheSize is how many bytes CacheDir may take, 0 for any number.
	CacheSize int64
	// Meter is called with each device that counts what goes over a network for it, if it
	// is not nil.
	Meter func(Meter)
	// Small opens files of less than MinSize as well, which may be the descriptors of
	// images.
	Small bool
}

// A Raw is an open image file or block device of the host. It is a [Device].
type Raw struct {
	f          *os.File
	size       atomic.Int64
	sectorSize int
	block      bool
	writable   bool

	locked atomic.Bool
	given  atomic.Bool // somebody may have duplicates, on purpose
}

// OpenRaw opens an image file or block device by its host path. Errors are
// *fs.PathError; see the errors of this package for what they may wrap.
func OpenRaw(path string, o Options) (*Raw, error) {
	r, err := openRaw(path, o)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: bare(err)}
	}
	return r, nil
}

// NewRaw makes a disk of an image file or block device that somebody has opened, for reading and
// writing if the options say Writable. The file is the disk's from now on, after an error too. One
// who opens a block device for writing uses O_EXCL, which is the lock of it. Errors are as those of
// [OpenRaw].
func NewRaw(f *os.File, o Options) (*Raw, error) {
	// Blocking: see openRaw.
	err := unix.SetNonblock(int(f.Fd()), false)
	r := &Raw{f: f, writable: o.Writable}
	if err == nil {
		err = r.checkAccess()
	}
	if err == nil {
		err = r.check(o)
	}
	if err != nil {
		r.Close()
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: bare(err)}
	}
	return r, nil
}

// checkAccess returns an error for a file that was opened otherwise than it is to be used.
func (r *Raw) checkAccess() error {
	flags, err := unix.FcntlInt(r.f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	mode := flags & unix.O_ACCMODE
	if flags&unix.O_PATH != 0 || mode == unix.O_WRONLY || r.writable && mode != unix.O_RDWR {
		return unix.EBADF
	}
	return nil
}

func openRaw(path string, o Options) (*Raw, error) {
	var st unix.Stat_t
	// Looked at before it is opened: to open a FIFO may wait forever, to
	// open a device may make it do things.
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	if err := checkType(&st); err != nil {
		return nil, err
	}
	// O_NONBLOCK in case that it has become a FIFO since.
	flags := unix.O_RDONLY
	if o.Writable {
		flags = unix.O_RDWR
	}
	flags |= unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	if o.Writable && !o.NoLock && st.Mode&unix.S_IFMT == unix.S_IFBLK {
		flags |= unix.O_EXCL
	}
	fd, err := openRetry(path, flags)
	if err == unix.EBUSY && flags&unix.O_EXCL != 0 {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, err
	}
	// Blocking from here on, so that package os does not make it wait for
	// events that a disk never has.
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r := &Raw{f: os.NewFile(uintptr(fd), path), writable: o.Writable}
	if err := r.check(o); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// check looks at what has been opened, and locks it.
func (r *Raw) check(o Options) error {
	var st unix.Stat_t
	fd := int(r.f.Fd())
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if err := checkType(&st); err != nil {
		return err
	}
	size := st.Size
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		r.block = true
		var err error
		if size, err = r.f.Seek(0, io.SeekEnd); err != nil {
			return err
		}
		if r.sectorSize, err = unix.IoctlGetInt(fd, unix.BLKSSZGET); err != nil {
			return err
		}
	}
	switch {
	case size == 0 && r.block:
		return unix.ENOMEDIUM
	case size == 0:
		return ErrEmpty
	case size < MinSize && !o.Small:
		return ErrTooSmall
	}
	r.size.Store(size)
	if !o.AnyFormat {
		if err := CheckRaw(r.f, size); err != nil {
			return err
		}
	}
	if o.Writable && !o.NoLock && !o.LockLater {
		return r.lock()
	}
	return nil
}

// lock takes the lock of a writer. A block device has it since it was opened.
func (r *Raw) lock() error {
	if r.block {
		return nil
	}
	r.locked.Store(true)
	return lock(int(r.f.Fd()))
}

// Lock keeps other writers out until the disk is closed, if that was left to it by
// Options.LockLater. The error wraps [ErrInUse] if there is one.
func (r *Raw) Lock() error {
	if err := r.lock(); err != nil {
		return &fs.PathError{Op: "open", Path: r.Path(), Err: err}
	}
	return nil
}

// checkType returns an error for what cannot be a disk.
func checkType(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFBLK:
		return nil
	case unix.S_IFDIR:
		return unix.EISDIR
	}
	return ErrNotDisk
}

// openRetry is open(2) that goes on after a signal.
func openRetry(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// bare takes away the path that an error may have, which the caller adds.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// File returns the open file. Its lock, if it has one, is held by it and by
// every duplicate of it.
func (r *Raw) File() *os.File {
	r.given.Store(true)
	return r.f
}

// Path returns the host path with which it was opened.
func (r *Raw) Path() string { return r.f.Name() }

// Size returns the size in bytes.
func (r *Raw) Size() int64 { return r.size.Load() }

// SectorSize returns the size of a logical block of a block device, in bytes. A
// file has none, and returns 0.
func (r *Raw) SectorSize() int { return r.sectorSize }

// IsBlockDevice reports whether it is a block device and not a file.
func (r *Raw) IsBlockDevice() bool { return r.block }

// Writable reports whether it was opened for writing.
func (r *Raw) Writable() bool { return r.writable }

// ReadAt reads at an offset, as io.ReaderAt.
func (r *Raw) ReadAt(p []byte, off int64) (int, error) { return r.f.ReadAt(p, off) }

// WriteAt writes at an offset, as io.WriterAt. A file that is written to past its end
// grows.
func (r *Raw) WriteAt(p []byte, off int64) (int, error) {
	n, err := r.f.WriteAt(p, off)
	if n > 0 && !r.block {
		r.grow(off + int64(n))
	}
	return n, err
}

// grow notes that the file has at least the size now.
func (r *Raw) grow(size int64) {
	for {
		old := r.size.Load()
		if size <= old || r.size.CompareAndSwap(old, size) {
			return
		}
	}
}

// Flush makes stable what has been written, as fdatasync(2).
func (r *Raw) Flush() error {
	for {
		err := unix.Fdatasync(int(r.f.Fd()))
		switch err {
		case unix.EINTR:
			continue
		case nil:
			return nil
		}
		return &fs.PathError{Op: "fdatasync", Path: r.f.Name(), Err: err}
	}
}

// Close closes the disk and gives up its lock, but for duplicates of its [Raw.File].
// Everything should have been flushed before.
func (r *Raw) Close() error {
	if r.locked.Load() && !r.given.Load() {
		// A process that is being started has duplicates too, until it executes its
		// program, and would keep the lock for that long.
		unlock(int(r.f.Fd()))
	}
	return r.f.Close()
}

// StartWriting has the host begin to write what it caches, as sync_file_range(2)
// with SYNC_FILE_RANGE_WRITE. It promises nothing; Flush does.
func (r *Raw) StartWriting() {
	conn, err := r.f.SyscallConn()
	if err == nil {
		conn.Control(func(fd uintptr) {
			unix.SyncFileRange(int(fd), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
		})
	}
}
