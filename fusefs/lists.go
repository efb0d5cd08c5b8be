package fusefs

import (
	"container/list"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// In a tree that nobody can change, the host opens no files and no directories: it asks by the
// numbers of nodes alone, which saves two requests for each (FUSE_NO_OPENDIR_SUPPORT,
// FUSE_NO_OPEN_SUPPORT). What is read of a directory is kept for a while, and what is likely to
// be asked for next is read meanwhile: when somebody walks a tree, the directories below the one
// that is asked for, and beside it.

const (
	// listFirst is the size of the first answer for a directory, of some 70 entries, listRest
	// that of what looks for its end, and listChunk that of other answers.
	listFirst = 16 << 10
	listRest  = 8 << 10
	listChunk = 32 << 10
	// listsAtOnce is how many directories go into one round trip.
	listsAtOnce = 31
	// listsAhead is how many directories are to be known before they are asked for.
	listsAhead = 16
	// listsKept is how many bytes of entries are kept.
	listsKept = 6 << 20
)

// lists are directories of a tree that does not change, those used last first.
type lists struct {
	mu      sync.Mutex
	byKey   map[nodeKey]*listing      // guarded by mu
	order   list.List                 // guarded by mu: of *listing
	size    int                       // guarded by mu: bytes
	idle    []int                     // guarded by mu: descriptors to be closed
	flight  map[nodeKey]chan struct{} // guarded by mu: those that are being read
	walking bool                      // guarded by mu: somebody reads ahead
}

// A listing is what is known of a directory. Positions of the host in it are the number of a
// chunk and an offset in its bytes, which are the same each time that it is read.
type listing struct {
	dirPlace
	elem *list.Element
	// subdirs are the directories in its first chunk; they do not change.
	subdirs []dirPlace
	asked   bool // guarded by lists.mu: the host has asked for it
	gone    bool // guarded by lists.mu: it was thrown out, so that leave is to close fd

	mu   sync.Mutex // unlocked by lists.leave
	data []byte     // guarded by mu, and changed with lists.mu held as well

	// All guarded by mu.
	fd     int     // -1 once there is nothing more to read, or it was thrown out
	chunk  int     // which data is
	starts []int64 // the kernel's positions of the chunks that are known
	whole  bool    // there is no chunk but the first
	// ahead is the chunk after one that was asked for, if it is not nil.
	ahead      []byte
	aheadChunk int
	// names are where the entries of data begin, once somebody has looked for one.
	names map[string]int
}

// A dirPlace is a directory by its path from the root.
type dirPlace struct {
	key, above nodeKey // above is the directory that it is in
	path       string
}

// chunkSize returns the size of an answer.
func chunkSize(chunk int) int {
	if chunk == 0 {
		return listFirst
	}
	return listChunk
}

// Positions of entries, after those of "." and "..".
const (
	offsetBits = 20
	firstEntry = 2
)

func position(chunk, offset int) uint64 {
	return uint64(chunk)<<offsetBits + uint64(offset) + firstEntry
}

func splitPosition(at uint64) (chunk, offset int) {
	at -= firstEntry
	return int(at >> offsetBits), int(at & (1<<offsetBits - 1))
}

// get returns a directory if it is known.
func (l *lists) get(key nodeKey) *listing {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.byKey[key]
	if d != nil {
		l.order.MoveToFront(d.elem)
	}
	return d
}

// add keeps a directory, and throws out others. It returns the one that is kept, which is another
// if somebody else was faster.
func (l *lists) add(d *listing) *listing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.byKey[d.key]; known != nil {
		if d.fd >= 0 {
			l.idle = append(l.idle, d.fd)
		}
		return known
	}
	d.elem = l.order.PushFront(d)
	l.byKey[d.key] = d
	l.size += len(d.data)
	for l.size > listsKept && l.order.Len() > 1 {
		l.dropLocked(l.order.Back().Value.(*listing))
	}
	return d
}

// dropLocked throws a directory out. Who reads it at the moment goes on, and closes it by leave.
//
// Preconditions: mu is held.
func (l *lists) dropLocked(d *listing) {
	l.order.Remove(d.elem)
	delete(l.byKey, d.key)
	l.size -= len(d.data)
	d.gone = true
	if d.mu.TryLock() {
		l.leaveLocked(d)
	}
}

// leave unlocks a directory.
//
// Preconditions: d.mu is held.
func (l *lists) leave(d *listing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaveLocked(d)
}

// leaveLocked is leave. Since d.mu is unlocked while mu is held, either it or dropLocked finds
// that a directory is gone and not read any more.
//
// Preconditions: mu and d.mu are held.
func (l *lists) leaveLocked(d *listing) {
	if d.gone && d.fd >= 0 {
		l.idle = append(l.idle, d.fd)
		d.fd = -1
	}
	d.mu.Unlock()
}

// drop throws out a directory that the host has forgotten.
func (l *lists) drop(key nodeKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.byKey[key]; d != nil {
		l.dropLocked(d)
	}
}

func (l *lists) takeIdle() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := l.idle
	l.idle = nil
	return idle
}

// readOnce are flags: no file of the directory is used soon by the kernel of the image, for
// the host keeps what it is told.
const readOnce = lkl.READDIR_ONCE

// list returns a directory, whose first chunk has been read at least.
func (f *FS) list(id uint64) (*listing, error) {
	f.mu.Lock()
	n := f.byID[id]
	if n == nil {
		f.mu.Unlock()
		return nil, unix.ESTALE
	}
	own := dirPlace{key: n.key}
	if n.parent != nil {
		own.above = n.parent.key
	}
	f.mu.Unlock()
	l := &f.lists
	for {
		l.mu.Lock()
		d := l.byKey[own.key]
		coming := l.flight[own.key]
		if d != nil {
			d.asked = true
			l.order.MoveToFront(d.elem)
		}
		l.mu.Unlock()
		switch {
		case d != nil:
			f.walkAhead(d)
			return d, nil
		case coming != nil:
			// Somebody brings it. If that fails, the reason is to be had alone.
			<-coming
			if d = l.get(own.key); d == nil {
				return f.listAlone(id, own)
			}
			continue
		}
		p, err := f.at(id, "")
		if err != nil || p.opened >= 0 || p.fd != unix.AT_FDCWD {
			f.leave(p)
			return f.listAlone(id, own)
		}
		own.path = p.path
		f.listAll([]dirPlace{own})
		if l.get(own.key) == nil {
			return f.listAlone(id, own)
		}
	}
}

// listAll reads directories in one round trip, and keeps those that can be read.
func (f *FS) listAll(places []dirPlace) {
	l := &f.lists
	l.mu.Lock()
	missing := places[:0:0]
	done := make(chan struct{})
	for _, p := range places {
		if l.byKey[p.key] == nil && l.flight[p.key] == nil {
			missing = append(missing, p)
			l.flight[p.key] = done
		}
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		for _, p := range missing {
			delete(l.flight, p.key)
		}
		l.mu.Unlock()
		close(done)
	}()
	if len(missing) == 0 {
		return
	}
	closeAll(f.v, l.takeIdle())
	c := f.v.NewChain()
	type reading struct {
		d                    *listing
		open, first, pos, up lkl.Link
	}
	var all []reading
	buf := f.listBuffers.Get().(*[listsAtOnce][listFirst + listRest]byte)
	defer f.listBuffers.Put(buf)
	for i, p := range missing {
		r := reading{d: &listing{dirPlace: p, fd: -1}}
		r.open = c.Openat(unix.AT_FDCWD, p.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		r.first = c.Readdirents(r.open.Fd(), buf[i][:listFirst], allStat, readOnce)
		r.pos = c.Seek(r.open.Fd(), 0, unix.SEEK_CUR)
		r.up = c.Readdirents(r.open.Fd(), buf[i][listFirst:], allStat, readOnce)
		all = append(all, r)
	}
	_ = c.Run() // each has its own; after an error, the others are canceled
	var idle []int
	for i, r := range all {
		fd, err := c.Result(r.open)
		if err != nil {
			continue
		}
		n, err := c.Result(r.first)
		at, posErr := c.Result(r.pos)
		more, upErr := c.Result(r.up)
		switch {
		case err != nil || posErr != nil || upErr != nil:
			idle = append(idle, fd)
			continue
		case more == 0:
			r.d.whole = true
			idle = append(idle, fd)
		default:
			r.d.fd = fd
		}
		r.d.data = append(make([]byte, 0, n), buf[i][:n]...) // not nil, even of an empty one
		r.d.starts = []int64{0, int64(at)}
		r.d.subdirs = f.subdirs(&r.d.dirPlace, r.d.data)
		l.add(r.d)
	}
	l.mu.Lock()
	l.idle = append(l.idle, idle...)
	l.mu.Unlock()
}

// subdirs returns the directories in a chunk.
func (f *FS) subdirs(in *dirPlace, data []byte) (places []dirPlace) {
	var e lkl.Dirent
	for b := data; len(b) > 0; {
		var err error
		if b, err = e.Parse(b); err != nil {
			return places
		}
		if e.Err != 0 || e.Stat.Mode&unix.S_IFMT != unix.S_IFDIR || len(in.path)+len(e.Name) >= pathLimit {
			continue
		}
		p := dirPlace{above: in.key, path: strings.TrimSuffix(in.path, "/") + "/" + e.Name}
		mount, ok := f.mounts[p.path[1:]]
		if !ok {
			mount = in.key.mount
		}
		p.key = keyOf(&e.Stat, mount)
		places = append(places, p)
	}
	return places
}

// walkAhead reads the directories that come after one for somebody who walks the tree, while the
// host is busy with those that it has.
func (f *FS) walkAhead(d *listing) {
	l := &f.lists
	l.mu.Lock()
	defer l.mu.Unlock()
	if up := l.byKey[d.above]; l.walking || up == nil || !up.asked {
		return
	}
	if places := l.after(d); len(places) > 0 {
		l.walking = true
		f.background.Go(func() {
			f.listAll(places)
			l.mu.Lock()
			l.walking = false
			l.mu.Unlock()
		})
	}
}

// after returns directories that are not known and come soon after another in the order in which
// a tree is walked, if few of those before them are known.
//
// Preconditions: mu is held.
func (l *lists) after(d *listing) (places []dirPlace) {
	known := 0
	// below goes through what is below a directory from one of its subdirectories on, and
	// reports whether there is more to look for.
	var below func(in *listing, from, depth int) bool
	below = func(in *listing, from, depth int) bool {
		for i := from; i < len(in.subdirs); i++ {
			p := in.subdirs[i]
			next := l.byKey[p.key]
			switch {
			case next == nil && l.flight[p.key] == nil:
				if places = append(places, p); len(places) == listsAtOnce {
					return false
				}
			case next != nil:
				if known++; len(places) == 0 && known > listsAhead || known > listsAhead+listsAtOnce {
					return false
				}
				if depth < 16 && !below(next, 0, depth+1) {
					return false
				}
			}
		}
		return true
	}
	if !below(d, 0, 0) {
		return places
	}
	for range 16 {
		up := l.byKey[d.above]
		if up == nil || up == d {
			break
		}
		i := slices.IndexFunc(up.subdirs, func(p dirPlace) bool { return p.key == d.key })
		if i >= 0 && !below(up, i+1, 0) {
			break
		}
		d = up
	}
	return places
}

// listAlone is list for a directory that cannot be read together with others, or not at all.
func (f *FS) listAlone(id uint64, own dirPlace) (*listing, error) {
	fd, err := f.openNode(id, unix.O_RDONLY|unix.O_DIRECTORY, nil)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, listFirst)
	n, err := f.v.Readdirents(fd, buf, allStat, readOnce)
	if err != nil {
		f.v.CloseFd(fd)
		return nil, err
	}
	at, err := f.v.Seek(fd, 0, unix.SEEK_CUR)
	if err != nil {
		f.v.CloseFd(fd)
		return nil, err
	}
	return f.lists.add(&listing{dirPlace: own, fd: fd, data: buf[:n:n], starts: []int64{0, at}}), nil
}

// chunkAt returns the bytes of a chunk, which is nil after the last one.
//
// Preconditions: d.mu is held.
func (f *FS) chunkAt(id uint64, d *listing, chunk int) ([]byte, error) {
	switch {
	case chunk == d.chunk && d.data != nil:
		return d.data, nil
	case d.whole && chunk > 0:
		return nil, nil
	}
	if d.fd < 0 {
		fd, err := f.openNode(id, unix.O_RDONLY|unix.O_DIRECTORY, nil)
		if err != nil {
			return nil, err
		}
		d.fd = fd
	}
	if d.ahead != nil && d.aheadChunk == chunk {
		f.keepChunk(d, d.ahead, chunk)
		d.ahead = nil
		return d.data, nil
	}
	for {
		known := min(chunk, len(d.starts)-1)
		size := chunkSize(known)
		buf := make([]byte, size+listChunk)
		c := f.v.NewChain()
		c.Seek(d.fd, d.starts[known], unix.SEEK_SET)
		first := c.Readdirents(d.fd, buf[:size], allStat, readOnce)
		middle := c.Seek(d.fd, 0, unix.SEEK_CUR)
		second := c.Readdirents(d.fd, buf[size:], allStat, readOnce)
		end := c.Seek(d.fd, 0, unix.SEEK_CUR)
		err := c.Run()
		n, firstErr := c.Result(first)
		at, middleErr := c.Result(middle)
		if firstErr != nil || middleErr != nil {
			return nil, err
		}
		d.startsAt(known+1, n, at)
		next, secondErr := c.Result(second)
		endAt, endErr := c.Result(end)
		if secondErr == nil && endErr == nil {
			d.startsAt(known+2, next, endAt)
		}
		switch {
		case n == 0:
			return nil, nil
		case known < chunk:
			continue
		}
		f.keepChunk(d, buf[:n:n], chunk)
		d.ahead = nil
		if secondErr == nil && endErr == nil && next > 0 {
			d.ahead, d.aheadChunk = buf[size:size+next], chunk+1
		}
		return d.data, nil
	}
}

// startsAt notes where a chunk starts, if the one before it has n bytes.
//
// Preconditions: mu is held.
func (d *listing) startsAt(chunk, n, at int) {
	if n > 0 && chunk == len(d.starts) {
		d.starts = append(d.starts, int64(at))
	}
}

// keepChunk keeps a chunk instead of another.
//
// Preconditions: d.mu is held.
func (f *FS) keepChunk(d *listing, data []byte, chunk int) {
	f.lists.mu.Lock()
	if !d.gone {
		f.lists.size += len(data) - len(d.data)
	}
	d.data = data
	f.lists.mu.Unlock()
	d.chunk, d.names = chunk, nil
}

// looksListed is how many names of a directory are looked up one by one before it is read.
const looksListed = 2

// lookupListed finds a name in a directory that was read, or that is worth it, since other names
// in it were looked up as well. A name that it does not find may be there all the same: not all
// of the directory is looked at, and file systems may take other spellings of a name for it.
func (f *FS) lookupListed(dir uint64, name string, st *unix.Statx_t) bool {
	f.mu.Lock()
	n := f.byID[dir]
	if n == nil || n.looks < looksListed {
		if n != nil {
			n.looks++
		}
		f.mu.Unlock()
		return false
	}
	f.mu.Unlock()
	d, err := f.list(dir)
	if err != nil {
		return false
	}
	d.mu.Lock()
	defer f.lists.leave(d)
	var e lkl.Dirent
	if d.names == nil {
		d.names = map[string]int{}
		for b := d.data; len(b) > 0; {
			at := len(d.data) - len(b)
			if b, err = e.Parse(b); err != nil {
				return false
			}
			d.names[e.Name] = at
		}
	}
	at, ok := d.names[name]
	if !ok {
		return false
	}
	if _, err := e.Parse(d.data[at:]); err != nil || e.Err != 0 {
		return false
	}
	*st = e.Stat
	return true
}

// closeLists closes all directories.
func (f *FS) closeLists() {
	for _, d := range f.lists.byKey {
		if d.fd >= 0 {
			f.v.CloseFd(d.fd)
		}
	}
	closeAll(f.v, f.lists.idle)
	clear(f.lists.byKey)
}
