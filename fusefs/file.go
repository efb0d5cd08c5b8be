package fusefs

import (
	"math"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A handle is an open file.
type handle struct {
	fd       int
	writable bool
	// Of a file that the host has not opened: see contents.
	id    uint64
	users int // guarded by contents.mu: requests that use it, and one that it is kept
}

// file returns an open file, or nil.
func (f *FS) file(fh uint64) *handle {
	if fh == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files[fh]
}

// keep gives an open file its number.
func (f *FS) keep(h *handle, out *fuse.OpenOut) {
	f.mu.Lock()
	f.lastFh++
	out.Fh = f.lastFh
	f.files[out.Fh] = h
	f.mu.Unlock()
	// Nobody else changes the file, and what is written has come to the image's kernel
	// when the host closes it.
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	if !f.opts.Writeback {
		out.OpenFlags |= fuse.FOPEN_NOFLUSH
	}
}

// openFlags are added to those of each open(2).
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// kernelFlags returns the flags with which the image's kernel opens a file. The host finds
// the end of the file itself for O_APPEND, sends fsync(2) for O_SYNC, and bypasses its own
// cache for O_DIRECT.
func (f *FS) kernelFlags(flags uint32) int {
	k := int(flags) & (unix.O_ACCMODE | unix.O_TRUNC | unix.O_EXCL | unix.O_NOATIME)
	if f.opts.Writeback && k&unix.O_ACCMODE == unix.O_WRONLY {
		// The host reads what is around what it writes.
		k = k&^unix.O_ACCMODE | unix.O_RDWR
	}
	return k
}

// Open opens a file.
func (f *FS) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.used()
	if f.readOnly {
		return fuse.ENOSYS // from now on it asks by node
	}
	flags := f.kernelFlags(in.Flags &^ unix.O_EXCL)
	var unprivileged *fuse.Caller
	if in.Mode&fuse.OPEN_KILL_SUIDGID != 0 {
		unprivileged = &in.Caller
	}
	fd, err := f.openNode(in.NodeId, flags, unprivileged)
	if err != nil {
		return f.status(err)
	}
	if flags&unix.O_TRUNC != 0 {
		f.changed()
	}
	f.keep(&handle{fd: fd, writable: flags&unix.O_ACCMODE != unix.O_RDONLY}, out)
	return fuse.OK
}

// openNode opens a file. If it is also cut off, it loses its set-ID bits by somebody unprivileged,
// who is nil for whoever has privileges.
func (f *FS) openNode(id uint64, flags int, unprivileged *fuse.Caller) (int, error) {
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(id, "")
	if err != nil {
		return -1, err
	}
	defer f.leave(p)
	if unprivileged != nil && flags&unix.O_TRUNC != 0 {
		if err := f.dropPrivileges(id, unprivileged.Gid, p.fd, p.path, p.flags); err != nil {
			return -1, err
		}
	}
	if p.flags&unix.AT_EMPTY_PATH != 0 {
		return f.reopen(p.fd, flags)
	}
	return f.v.Openat(p.fd, p.path, flags|openFlags, 0)
}

// reopen opens a file that has no name that is known, by a descriptor.
func (f *FS) reopen(fd, flags int) (int, error) {
	var h lkl.FileHandle
	if err := f.v.NameToHandleAt(fd, "", &h, unix.AT_EMPTY_PATH); err != nil {
		if err == unix.EOPNOTSUPP {
			err = unix.ESTALE
		}
		return -1, err
	}
	return f.v.OpenByHandleAt(f.root, &h, flags|openFlags)
}

// Create makes a file and opens it, in one round trip.
func (f *FS) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	f.used()
	defer f.changed()
	flags := f.kernelFlags(in.Flags) | unix.O_CREAT
	f.names.RLock()
	defer f.names.RUnlock()
	fd := -1
	err := f.make(&in.InHeader, in.Umask, name, &out.EntryOut, func(c *lkl.Chain, p place) (lkl.Link, bool) {
		return c.Openat(p.fd, p.path, flags|openFlags, in.Mode), true
	}, &fd)
	if err != nil {
		return f.status(err)
	}
	f.keep(&handle{fd: fd, writable: flags&unix.O_ACCMODE != unix.O_RDONLY}, &out.OpenOut)
	return fuse.OK
}

// Tmpfile makes a file without a name and opens it.
func (f *FS) Tmpfile(_ <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	f.used()
	defer f.changed()
	flags := f.kernelFlags(in.Flags&^unix.O_TRUNC) | unix.O_TMPFILE
	uid, gid, err := f.opts.owners.creator(&in.Caller)
	if err != nil {
		return f.status(err)
	}
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(in.NodeId, "")
	if err != nil {
		return f.status(err)
	}
	defer f.leave(p)
	if p.flags&unix.AT_EMPTY_PATH != 0 {
		return fuse.ENOENT // the directory was removed
	}
	v, err := f.v.As(lkl.Identity{GID: gid, Umask: in.Umask})
	if err != nil {
		return f.status(err)
	}
	var st unix.Statx_t
	c := v.NewChain()
	open := c.Openat(p.fd, p.path, flags|openFlags&^unix.O_NOFOLLOW, in.Mode)
	if uid != 0 {
		c.Fchown(open.Fd(), int(uid), -1)
	}
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, allStat, &st)
	pin := c.Dup(open.Fd())
	err = c.Run()
	fd, openErr := c.Result(open)
	if openErr != nil {
		return f.status(err)
	}
	if err != nil {
		f.v.CloseFd(fd)
		return f.status(err)
	}
	kept, _ := c.Result(pin)
	f.mu.Lock()
	f.lastID++
	n := &node{id: f.lastID, key: keyOf(&st, 0), mode: unix.S_IFREG, pin: kept, lookups: 1}
	if parent := f.byID[in.NodeId]; parent != nil {
		n.key.mount = parent.key.mount
	}
	f.byID[n.id] = n
	f.mu.Unlock()
	out.NodeId, out.Generation, out.AttrValid, out.EntryValid = n.id, 1, forever, forever
	f.attr(&st, &out.Attr)
	f.keep(&handle{fd: fd, writable: true}, &out.OpenOut)
	return fuse.OK
}

// Read reads from an open file.
func (f *FS) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	f.used()
	if in.Offset > math.MaxInt64-uint64(len(buf)) {
		return nil, fuse.EINVAL
	}
	if f.readOnly {
		if data, ok := f.content(in.NodeId, int64(in.Offset), len(buf)); ok {
			return fuse.ReadResultData(data), fuse.OK
		}
	}
	h, err := f.opened(in.NodeId, in.Fh)
	if err != nil {
		return nil, f.status(err)
	}
	defer f.done(h)
	if len(buf) >= largeRead {
		r, err := f.readLarge(h.fd, buf, int64(in.Offset))
		if err != nil {
			return nil, f.status(err)
		}
		return r, fuse.OK
	}
	n, err := f.v.Pread(h.fd, buf, int64(in.Offset))
	if err != nil && n < len(buf) {
		// The host takes less than it has asked for as the end of the file. After an error, it
		// asks again page by page, and gets those that can be read.
		return nil, f.status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write writes to an open file.
func (f *FS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f.used()
	defer f.changed()
	h := f.file(in.Fh)
	switch {
	case h == nil:
		return 0, fuse.EBADF
	case in.Offset > math.MaxInt64-uint64(len(data)):
		return 0, fuse.Status(unix.EFBIG)
	}
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		if err := f.dropPrivileges(in.NodeId, in.Gid, h.fd, "", unix.AT_EMPTY_PATH); err != nil {
			return 0, f.status(err)
		}
	}
	n, err := f.v.Pwrite(h.fd, data, int64(in.Offset))
	if n = max(n, 0); n == 0 && err != nil {
		return 0, f.status(fullDisk(err))
	}
	return uint32(n), fuse.OK
}

// Flush is called when a descriptor of the file is closed, if the host keeps what is written:
// it has sent all that before.
func (f *FS) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status {
	if f.readOnly {
		return fuse.ENOSYS // it is not asked for again
	}
	return fuse.OK
}

// Release is called when nobody has the file open any more.
func (f *FS) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f.used()
	f.mu.Lock()
	h := f.files[in.Fh]
	delete(f.files, in.Fh)
	f.mu.Unlock()
	if h != nil {
		f.v.CloseFd(h.fd)
	}
}

// Fsync makes a file stable on the image's disk.
func (f *FS) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	f.used()
	if f.readOnly {
		return fuse.OK
	}
	h := f.file(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	return f.fsync(h.fd, in.FsyncFlags)
}

// dataOnly is FUSE_FSYNC_FDATASYNC.
const dataOnly = 1

func (f *FS) fsync(fd int, flags uint32) fuse.Status {
	switch {
	case f.readOnly:
		return fuse.OK
	case flags&dataOnly != 0:
		return f.status(f.v.Fdatasync(fd))
	}
	return f.status(f.v.Fsync(fd))
}

// Fallocate allocates, punches or zeroes a range.
func (f *FS) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	f.used()
	defer f.changed()
	h := f.file(in.Fh)
	switch {
	case h == nil:
		return fuse.EBADF
	case in.Offset > math.MaxInt64 || in.Length > math.MaxInt64-in.Offset:
		return fuse.Status(unix.EFBIG)
	}
	// Unlike write(2), it comes without a word of privileges.
	if in.Uid != 0 {
		if err := f.dropPrivileges(in.NodeId, in.Gid, h.fd, "", unix.AT_EMPTY_PATH); err != nil {
			return f.status(err)
		}
	}
	return f.status(f.v.Fallocate(h.fd, in.Mode, int64(in.Offset), int64(in.Length)))
}

// Lseek finds data and holes.
func (f *FS) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	f.used()
	h, err := f.opened(in.NodeId, in.Fh)
	if err != nil {
		return f.status(err)
	}
	defer f.done(h)
	n, err := f.v.Seek(h.fd, int64(in.Offset), int(in.Whence))
	out.Offset = uint64(n)
	return f.status(err)
}

// CopyFileRange copies inside the image, by reference where its file system can.
func (f *FS) CopyFileRange(_ <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	f.used()
	defer f.changed()
	from, to := f.file(in.FhIn), f.file(in.FhOut)
	if from == nil || to == nil {
		return 0, fuse.EBADF
	}
	if in.Uid != 0 {
		if err := f.dropPrivileges(in.NodeIdOut, in.Gid, to.fd, "", unix.AT_EMPTY_PATH); err != nil {
			return 0, f.status(err)
		}
	}
	roff, woff := int64(in.OffIn), int64(in.OffOut)
	size := int(min(in.Len, math.MaxUint32&^0xfff))
	n, err := f.v.CopyFileRange(from.fd, &roff, to.fd, &woff, size, int(in.Flags))
	if err != nil {
		return 0, f.status(err)
	}
	return uint32(n), fuse.OK
}
