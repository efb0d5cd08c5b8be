package fusefs

import (
	"slices"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// dirChunk is the size of one answer of the image's kernel with entries of a directory:
// some 280.
const dirChunk = 64 << 10

// A dirRead is a directory that somebody reads.
//
// The host's position is the number of entries before it. The kernel's own position is known
// for the start of each answer of it, so that any of the host's can be come back to.
type dirRead struct {
	id uint64 // the node
	fd int

	mu sync.Mutex
	// All guarded by mu.
	entries []lkl.Dirent // the last answer
	first   uint64       // the number of its first entry
	ended   bool         // there are none after it
	next    int64        // the kernel's position after it
	starts  []dirStart
	changes uint64 // FS.changes when it came
	buf     []byte
}

// A dirStart is where an answer started.
type dirStart struct {
	number uint64
	pos    int64
}

// OpenDir opens a directory and reads the first entries of it, in one round trip.
func (f *FS) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.used()
	if f.readOnly {
		return fuse.ENOSYS // from now on it asks by node
	}
	d := &dirRead{id: in.NodeId, fd: -1, buf: make([]byte, dirChunk), changes: f.changes.Load()}
	if err := f.openDir(d); err != nil {
		return f.status(err)
	}
	f.mu.Lock()
	f.lastFh++
	out.Fh = f.lastFh
	f.dirs[out.Fh] = d
	f.mu.Unlock()
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	if f.readOnly || !f.foldsNames {
		out.OpenFlags |= fuse.FOPEN_CACHE_DIR
	}
	return fuse.OK
}

func (f *FS) openDir(d *dirRead) error {
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(d.id, "")
	if err != nil {
		return err
	}
	defer f.leave(p)
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if p.flags&unix.AT_EMPTY_PATH != 0 {
		p.path = "." // of a directory, this is itself
	}
	c := f.v.NewChain()
	open := c.Openat(p.fd, p.path, flags, 0)
	read := c.Readdirents(open.Fd(), d.buf, allStat, 0)
	pos := c.Seek(open.Fd(), 0, unix.SEEK_CUR)
	err = c.Run()
	fd, openErr := c.Result(open)
	if openErr != nil {
		return err
	}
	d.fd = fd
	n, readErr := c.Result(read)
	if readErr != nil {
		// Whoever reads it is told.
		d.starts = []dirStart{{0, 0}}
		d.first, d.next = 0, 0
		return nil
	}
	at, _ := c.Result(pos)
	d.starts = []dirStart{{0, 0}}
	return d.take(n, int64(at))
}

// take takes an answer of the kernel, which has ended at a position.
//
// Preconditions: mu is held, or d is not known to others.
func (d *dirRead) take(n int, next int64) error {
	d.entries, d.next, d.ended = d.entries[:0], next, n == 0
	for b := d.buf[:n]; len(b) > 0; {
		d.entries = append(d.entries, lkl.Dirent{})
		var err error
		if b, err = d.entries[len(d.entries)-1].Parse(b); err != nil {
			d.entries = d.entries[:len(d.entries)-1]
			return unix.EUCLEAN
		}
	}
	return nil
}

// more reads the answer after the last one.
//
// Preconditions: mu is held.
func (d *dirRead) more(f *FS) error {
	changes := f.changes.Load()
	c := f.v.NewChain()
	read := c.Readdirents(d.fd, d.buf, allStat, 0)
	pos := c.Seek(d.fd, 0, unix.SEEK_CUR)
	if err := c.Run(); err != nil {
		return err
	}
	n, _ := c.Result(read)
	at, _ := c.Result(pos)
	d.first += uint64(len(d.entries))
	if last := d.starts[len(d.starts)-1]; last.number < d.first {
		d.starts = append(d.starts, dirStart{d.first, d.next})
	}
	d.changes = changes
	return d.take(n, int64(at))
}

// seek makes the entry of a number the one that is read next.
//
// Preconditions: mu is held.
func (d *dirRead) seek(f *FS, number uint64) error {
	if number >= d.first {
		return nil // more comes to it
	}
	i, _ := slices.BinarySearchFunc(d.starts, number+1, func(s dirStart, n uint64) int {
		if s.number < n {
			return -1
		}
		return 1
	})
	start := d.starts[i-1]
	if _, err := f.v.Seek(d.fd, start.pos, unix.SEEK_SET); err != nil {
		return err
	}
	d.starts = d.starts[:i]
	d.entries, d.first, d.ended, d.next = d.entries[:0], start.number, false, start.pos
	return nil
}

// from returns the entries that are known from a number on, and none at the end.
//
// Preconditions: mu is held.
func (d *dirRead) from(f *FS, number uint64) ([]lkl.Dirent, error) {
	if err := d.seek(f, number); err != nil {
		return nil, err
	}
	for number >= d.first+uint64(len(d.entries)) && !d.ended {
		if err := d.more(f); err != nil {
			return nil, err
		}
	}
	if number >= d.first+uint64(len(d.entries)) {
		return nil, nil
	}
	return d.entries[number-d.first:], nil
}

// refresh asks for metadata again that were read before something has changed. An entry that
// is not there any more gets the error ENOENT.
//
// Preconditions: d.mu is held.
func (f *FS) refresh(d *dirRead, list []lkl.Dirent) {
	for len(list) > 0 {
		n := min(len(list), 100)
		f.refreshSome(d, list[:n])
		list = list[n:]
	}
}

func (f *FS) refreshSome(d *dirRead, list []lkl.Dirent) {
	c := f.v.NewChain()
	for i := range list {
		c.Statx(d.fd, list[i].Name, unix.AT_SYMLINK_NOFOLLOW, allStat, &list[i].Stat)
	}
	if c.Run() == nil {
		for i := range list {
			list[i].Err = 0
		}
		return
	}
	// One that is gone has stopped the chain.
	for i := range list {
		e := &list[i]
		e.Err = 0
		if err := f.v.Statx(d.fd, e.Name, unix.AT_SYMLINK_NOFOLLOW, allStat, &e.Stat); err != nil {
			e.Err = unix.Errno(f.status(err))
		}
	}
}

// ReadDir answers with names.
func (f *FS) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if f.readOnly {
		return f.readList(in, out, false)
	}
	return f.readDir(in, out, func(d *dirRead, e *lkl.Dirent, at uint64) bool {
		return out.AddDirEntry(f.dirEntry(e, at))
	})
}

// ReadDirPlus answers with names and metadata.
func (f *FS) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if f.readOnly {
		return f.readList(in, out, true)
	}
	return f.readDir(in, out, func(d *dirRead, e *lkl.Dirent, at uint64) bool {
		entry := out.AddDirLookupEntry(f.dirEntry(e, at))
		if entry == nil {
			return false
		}
		if e.Err == 0 {
			// An error leaves the entry without metadata, which the host then asks for.
			_ = f.entry(d.id, e.Name, &e.Stat, entry)
		}
		return true
	})
}

// dirEntry translates an entry.
func (f *FS) dirEntry(e *lkl.Dirent, at uint64) fuse.DirEntry {
	d := fuse.DirEntry{Name: e.Name, Mode: uint32(e.Type) << 12, Off: at}
	if e.Err == 0 {
		d.Mode = uint32(e.Stat.Mode)
		f.mu.Lock()
		d.Ino = f.inodeNumber(devOf(&e.Stat), e.Stat.Ino)
		f.mu.Unlock()
	}
	return d
}

// readList is ReadDir and ReadDirPlus where nothing changes.
func (f *FS) readList(in *fuse.ReadIn, out *fuse.DirEntryList, plus bool) fuse.Status {
	f.used()
	f.names.RLock()
	defer f.names.RUnlock()
	at := in.Offset
	for ; at < firstEntry; at++ {
		e := fuse.DirEntry{Name: "..", Mode: unix.S_IFDIR, Off: at + 1}
		if at == 0 {
			e.Name = "."
		}
		if !addDot(out, e, in.Opcode) {
			return fuse.OK
		}
	}
	d, err := f.list(in.NodeId)
	if err != nil {
		return f.status(err)
	}
	d.mu.Lock()
	defer f.lists.leave(d)
	chunk, offset := splitPosition(at)
	var e lkl.Dirent
	for added := 0; ; {
		data, err := f.chunkAt(in.NodeId, d, chunk)
		if err != nil && added == 0 {
			return f.status(err)
		}
		if len(data) == 0 || err != nil || offset > len(data) {
			return fuse.OK
		}
		if offset == len(data) {
			chunk, offset = chunk+1, 0
			continue
		}
		rest, err := e.Parse(data[offset:])
		if err != nil {
			return f.status(unix.EUCLEAN)
		}
		next := len(data) - len(rest)
		entry := f.dirEntry(&e, position(chunk, next))
		if !plus {
			if !out.AddDirEntry(entry) {
				return fuse.OK
			}
		} else {
			to := out.AddDirLookupEntry(entry)
			if to == nil {
				return fuse.OK
			}
			if e.Err == 0 && f.entry(in.NodeId, e.Name, &e.Stat, to) == nil {
				f.listed(in.NodeId, to.NodeId)
			}
		}
		offset = next
		added++
	}
}

// dots is how many entries come before the first that the kernel has given.
const dots = 2

func (f *FS) readDir(in *fuse.ReadIn, out *fuse.DirEntryList, add func(d *dirRead, e *lkl.Dirent, at uint64) bool) fuse.Status {
	f.used()
	f.mu.Lock()
	d := f.dirs[in.Fh]
	f.mu.Unlock()
	if d == nil {
		return fuse.EBADF
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := in.Offset
	if at == 0 && (d.first > 0 || d.changes != f.changes.Load()) {
		// From the start again, which shows what is there now.
		if err := d.rewind(f); err != nil {
			return f.status(err)
		}
	}
	for ; at < dots; at++ {
		e := fuse.DirEntry{Name: "."[:1], Mode: unix.S_IFDIR, Off: at + 1}
		if at == 1 {
			e.Name = ".."
		}
		if !addDot(out, e, in.Opcode) {
			return fuse.OK
		}
	}
	f.names.RLock()
	defer f.names.RUnlock()
	for added := 0; ; {
		list, err := d.from(f, at-dots)
		if err != nil && added == 0 {
			return f.status(err)
		}
		if len(list) == 0 || err != nil {
			return fuse.OK
		}
		if !f.readOnly && d.changes != f.changes.Load() {
			// No more than fit into the answer.
			list = list[:min(len(list), maxPage)]
			f.refresh(d, list)
		}
		for i := range list {
			if list[i].Err == unix.ENOENT {
				at++
				continue
			}
			if !add(d, &list[i], at+1) {
				return fuse.OK
			}
			at++
			added++
		}
	}
}

// maxPage is about how many entries an answer of one page has.
const maxPage = 32

// readDirPlus is FUSE_READDIRPLUS.
const readDirPlus = 44

// addDot adds "." or "..", of which the host wants to know no metadata.
func addDot(out *fuse.DirEntryList, e fuse.DirEntry, opcode uint32) bool {
	if opcode == readDirPlus {
		return out.AddDirLookupEntry(e) != nil
	}
	return out.AddDirEntry(e)
}

// rewind goes back to the start.
//
// Preconditions: mu is held.
func (d *dirRead) rewind(f *FS) error {
	if _, err := f.v.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
		return err
	}
	d.entries, d.first, d.ended, d.next = d.entries[:0], 0, false, 0
	d.starts = d.starts[:1]
	return nil
}

// ReleaseDir is called when nobody reads the directory any more.
func (f *FS) ReleaseDir(in *fuse.ReleaseIn) {
	f.mu.Lock()
	d := f.dirs[in.Fh]
	delete(f.dirs, in.Fh)
	f.mu.Unlock()
	if d != nil {
		f.v.CloseFd(d.fd)
	}
}

// FsyncDir makes the names in a directory stable.
func (f *FS) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	f.used()
	if f.readOnly {
		return fuse.OK
	}
	f.mu.Lock()
	d := f.dirs[in.Fh]
	f.mu.Unlock()
	if d == nil {
		return fuse.EBADF
	}
	return f.fsync(d.fd, in.FsyncFlags)
}
