package fusefs

import (
	"strings"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

const (
	// smallFile is the size up to which a file is read whole, and with others.
	smallFile = 128 << 10
	// filesAtOnce and bytesAtOnce are how many small files, and how much of them, one round
	// trip brings.
	filesAtOnce = 32
	bytesAtOnce = 512 << 10
	// contentsKept is how many bytes of files are kept that nobody has asked for yet.
	contentsKept = 8 << 20
	// filesKept is how many files are kept open.
	filesKept = 128
)

// contents are the open files of a tree that does not change, and what was read of files
// before it was asked for.
type contents struct {
	mu    sync.Mutex
	files map[uint64]*handle // guarded by mu: kept ones, by node
	order []uint64           // guarded by mu: of files, those that were opened first at first
	ahead map[uint64][]byte  // guarded by mu: whole files
	queue []uint64           // guarded by mu: of ahead, the oldest first
	size  int                // guarded by mu: bytes in ahead

	pushing sync.Mutex // held by who gives files to the host unasked
}

func (c *contents) init() {
	c.files, c.ahead = map[uint64]*handle{}, map[uint64][]byte{}
}

// opened returns an open file: the one that the host has opened, or in a tree that does not
// change, one that is opened for the request. done must follow.
func (f *FS) opened(id, fh uint64) (*handle, error) {
	if !f.readOnly {
		h := f.file(fh)
		if h == nil {
			return nil, unix.EBADF
		}
		return h, nil
	}
	c := &f.contents
	c.mu.Lock()
	if h := c.files[id]; h != nil {
		h.users++
		c.mu.Unlock()
		return h, nil
	}
	c.mu.Unlock()
	fd, err := f.openNode(id, unix.O_RDONLY, nil)
	if err != nil {
		return nil, err
	}
	h := &handle{fd: fd, id: id, users: 1}
	c.mu.Lock()
	var idle []int
	if c.files[id] == nil {
		h.users++
		c.files[id] = h
		c.order = append(c.order, id)
		for len(c.order) > filesKept {
			idle = c.dropLocked(c.order[0], idle)
		}
	}
	c.mu.Unlock()
	closeAll(f.v, idle)
	return h, nil
}

// done ends what opened has begun.
func (f *FS) done(h *handle) {
	if !f.readOnly {
		return
	}
	f.contents.mu.Lock()
	h.users--
	last := h.users == 0
	f.contents.mu.Unlock()
	if last {
		f.v.CloseFd(h.fd)
	}
}

// dropLocked does not keep a file open any more. It appends the descriptor to be closed.
//
// Preconditions: mu is held.
func (c *contents) dropLocked(id uint64, idle []int) []int {
	for i, other := range c.order {
		if other == id {
			c.order = append(c.order[:i], c.order[i+1:]...)
			break
		}
	}
	h := c.files[id]
	delete(c.files, id)
	if h != nil {
		if h.users--; h.users == 0 {
			idle = append(idle, h.fd)
		}
	}
	return idle
}

// drop drops all of a file that the host has forgotten.
func (c *contents) drop(v *lkl.View, id uint64) {
	var idle []int
	c.mu.Lock()
	if c.files[id] != nil {
		idle = c.dropLocked(id, nil)
	}
	c.takeLocked(id)
	c.mu.Unlock()
	closeAll(v, idle)
}

// takeLocked takes what was read ahead of a file.
//
// Preconditions: mu is held.
func (c *contents) takeLocked(id uint64) ([]byte, bool) {
	data, ok := c.ahead[id]
	if ok {
		delete(c.ahead, id)
		c.size -= len(data)
	}
	return data, ok
}

// closeContents closes all files.
func (f *FS) closeContents() {
	for _, h := range f.contents.files {
		f.v.CloseFd(h.fd)
	}
	clear(f.contents.files)
	clear(f.contents.ahead)
}

// content returns what a request wants of a small file, if that is all that there is of it.
// A second request for the same is none of these: the host keeps what it gets.
func (f *FS) content(id uint64, off int64, size int) ([]byte, bool) {
	if off != 0 || size > smallFile {
		return nil, false
	}
	return f.small(id, size, false)
}

// small is content of a file that is small, or the target of a symbolic link.
func (f *FS) small(id uint64, size int, link bool) ([]byte, bool) {
	c := &f.contents
	c.mu.Lock()
	data, ok := c.takeLocked(id)
	c.mu.Unlock()
	if !ok {
		files, more := f.upNext(id)
		return f.readWith(id, size, link, files, more)
	}
	f.goOn(id)
	return data[:min(len(data), size)], true
}

// goOn reads what is likely to be asked for after a file that was known already, while the host
// is busy with what it has.
func (f *FS) goOn(id uint64) {
	if files, more := f.upNext(id); len(files) > 0 {
		f.background.Go(func() { f.readWith(id, 0, false, files, more) })
	}
}

// readWith reads size bytes of a file, if that is not 0, or the target of a link, and files beside
// it, which it gives to the host or keeps. more says that there are others after them.
func (f *FS) readWith(id uint64, size int, link bool, files []follower, more bool) ([]byte, bool) {
	f.names.RLock()
	p, err := f.at(id, "")
	if err != nil || p.opened >= 0 || p.flags&unix.AT_EMPTY_PATH != 0 {
		f.leave(p)
		f.names.RUnlock()
		return nil, false
	}
	type reading struct {
		id   uint64
		link lkl.Link
		buf  []byte
	}
	c := f.v.NewChain()
	add := func(id uint64, path string, n int, link bool) reading {
		r := reading{id: id, buf: make([]byte, n)}
		if link {
			r.link = c.Readlinkat(p.fd, path, r.buf)
			return r
		}
		open := c.Openat(p.fd, path, unix.O_RDONLY|openFlags, 0)
		r.link = c.Pread(open.Fd(), r.buf, 0)
		c.Close(open.Fd())
		return r
	}
	var own *reading
	if size > 0 {
		r := add(id, p.path, size, link)
		own = &r
	}
	dir := p.path[:strings.LastIndexByte(p.path, '/')+1]
	var others []reading
	for _, e := range files {
		// One byte more shows that it has ended.
		others = append(others, add(e.id, dir+e.name, int(e.size)+1, e.link))
	}
	_ = c.Run() // each has its own
	f.names.RUnlock()
	whole := others[:0]
	for _, r := range others {
		// The host knows the size, and would change it if there were less.
		if n, err := c.Result(r.link); err == nil && n == len(r.buf)-1 {
			r.buf = r.buf[:n]
			whole = append(whole, r)
		}
	}
	// If there are more, the host does not get one of them: when it asks for that, it is time
	// for others.
	marker := -1
	if more {
		marker = len(whole) / 2
	}
	f.contents.keep(func(keep func(id uint64, data []byte)) {
		pushes := len(whole) > 0 && f.contents.pushing.TryLock()
		for i, r := range whole {
			if !pushes || i == marker {
				keep(r.id, r.buf)
			}
		}
		if !pushes {
			whole = nil
		}
	})
	if len(whole) > 0 {
		for i, r := range whole {
			if i != marker {
				// One that is refused is asked for, like any other.
				f.server.InodeNotifyStoreCache(r.id, 0, r.buf)
			}
		}
		f.contents.pushing.Unlock()
	}
	if own == nil {
		return nil, false
	}
	n, err := c.Result(own.link)
	if err != nil || !link && n != f.expected(id, size) {
		return nil, false // who reads it alone is told why
	}
	return own.buf[:n], true
}

// expected returns how much of a request for the start of a file one call answers. If it is less,
// there may have been an error after that, which only the next call would tell.
func (f *FS) expected(id uint64, size int) int {
	if n := f.node(id); n != nil && n.small > 0 {
		return min(size, int(n.small))
	}
	return size
}

// keep keeps files that were read ahead, and throws out what was not asked for.
func (c *contents) keep(each func(keep func(id uint64, data []byte))) {
	c.mu.Lock()
	defer c.mu.Unlock()
	each(func(id uint64, data []byte) {
		if _, ok := c.ahead[id]; ok {
			return
		}
		c.ahead[id] = data
		c.queue = append(c.queue, id)
		c.size += len(data)
	})
	for len(c.queue) > 0 && (c.size > contentsKept || len(c.queue) > 4096) {
		c.takeLocked(c.queue[0])
		c.queue = c.queue[1:]
	}
	if len(c.ahead) == 0 {
		c.queue = nil
	}
}

// A follower is a file that is likely to be read next.
type follower struct {
	id   uint64
	name string
	size uint32
	link bool // a symbolic link, whose content is its target
}

// near is how many entries there may be between two files that are read one after the other by
// somebody who reads them all.
const near = 40

// maxOrder is how many entries of a directory are known in their order.
const maxOrder = 1 << 17

// A dirOrder is the order in which the host was told the entries of a directory, in which who
// reads all files of it mostly goes on.
type dirOrder struct {
	ids  []uint64 // nodes
	read int      // how many there are up to the file that was asked for last
	sent int      // how many there are up to the last that was read ahead
}

// listed notes that a file is the next in its directory.
func (f *FS) listed(dir, id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.byID[id]
	if n == nil || f.byID[dir] == nil {
		return
	}
	o := f.orders[dir]
	if o == nil {
		o = &dirOrder{}
		f.orders[dir] = o
	}
	if at := int(n.at); at > 0 && at <= len(o.ids) && o.ids[at-1] == id || len(o.ids) == maxOrder {
		return
	}
	o.ids = append(o.ids, id)
	n.at = uint32(len(o.ids))
}

// upNext returns the small files that come after one in its directory and were not read yet, if
// it follows the one that was asked for before it there. more says that there are others.
func (f *FS) upNext(id uint64) (files []follower, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.byID[id]
	if n == nil || n.parent == nil {
		return nil, false
	}
	o := f.orders[n.parent.id]
	at := int(n.at)
	if o == nil || at == 0 || at > len(o.ids) || o.ids[at-1] != id {
		return nil, false
	}
	before := o.read
	o.read = at
	if at <= before {
		o.sent = at // from the start again
		return nil, false
	}
	if at > o.sent && at-before > near {
		return nil, false
	}
	total := 0
	for o.sent = max(o.sent, at); o.sent < len(o.ids); o.sent++ {
		next := f.byID[o.ids[o.sent]]
		if next == nil || next.small == 0 || next.parent != n.parent {
			continue
		}
		if total += int(next.small); total > bytesAtOnce || len(files) == filesAtOnce {
			return files, true
		}
		files = append(files, follower{next.id, next.name, next.small, next.mode == unix.S_IFLNK})
	}
	return files, false
}

// largeRead is from where on data are read past the image's kernel's page cache, and if they
// lie still on the image's disk, past the kernel.
const largeRead = 64 << 10

// readLarge reads into memory that the image's kernel shares, or where data lie still, into buf
// from the image itself.
func (f *FS) readLarge(fd int, buf []byte, off int64) (fuse.ReadResult, error) {
	shared, err := f.v.Kernel().Alloc(len(buf))
	if err != nil {
		return nil, err
	}
	spans, err := f.v.Locate(fd, shared.Bytes()[:len(buf)], off)
	r := &spanResult{shared: shared}
	for i := range spans {
		s := &spans[i]
		n := s.Len()
		if n > len(buf) {
			err = unix.EIO
			break
		}
		if s.Found() {
			s.SetMemory(buf[:n])
			buf = buf[n:]
		}
		data, e := s.Bytes()
		if e != nil {
			err = e
			break
		}
		r.slices = append(r.slices, data)
		r.size += len(data)
	}
	if err != nil {
		shared.Free() // less would be the end of the file: see Read
		return nil, err
	}
	return r, nil
}

// A spanResult is data in several places, some of them memory that the image's kernel may change
// meanwhile: it is copied to the host's kernel and nothing else.
type spanResult struct {
	slices [][]byte
	size   int
	shared *lkl.Buffer
}

func (r *spanResult) Size() int { return r.size }

func (r *spanResult) Done() { r.shared.Free() }

func (r *spanResult) Slices() ([][]byte, fuse.Status) { return r.slices, fuse.OK }

func (r *spanResult) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, s := range r.slices {
		buf = append(buf, s...)
	}
	return buf, fuse.OK
}

// Readv copies the data.
func (r *spanResult) Readv(dst [][]byte) (int, fuse.Status) {
	all, _ := r.Bytes(nil)
	n := 0
	for _, d := range dst {
		m := copy(d, all[n:])
		n += m
	}
	return n, fuse.OK
}
