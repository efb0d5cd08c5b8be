package unboot

import (
	"io/fs"
	"runtime"
	"weak"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Sub returns the tree below dir, an *[FS]: see [FS.OpenRoot], but Sub of "." is f.
func (f *FS) Sub(dir string) (fs.FS, error) {
	if dir == "." {
		return f, nil
	}
	sub, err := f.openRoot("sub", dir)
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// OpenRoot returns the tree below dir, as os.Root's. Symbolic links in it cannot
// lead out: an absolute one starts at dir, which may be renamed meanwhile. It is
// unusable once f is unmounted.
//
// It keeps a descriptor of the image's kernel until it, and all that was opened
// in it, is not used any more and the garbage collector has found that out. Those
// of one directory share one.
func (f *FS) OpenRoot(dir string) (*FS, error) { return f.openRoot("openroot", dir) }

func (f *FS) openRoot(op, dir string) (*FS, error) {
	sub := &FS{t: f.t, name: join(f.name, dir), sub: true}
	if dir == "." {
		sub.name = f.name
	}
	err := f.call(op, dir, func(p string) (err error) {
		sub.view, err = f.t.subView(f.view, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// Name returns the path of f's root in the whole tree, "." for that itself.
func (f *FS) Name() string { return f.name }

// FS returns f, as os.Root's method of that name returns an fs.FS.
func (f *FS) FS() fs.FS { return f }

// Close makes all methods of a result of [FS.OpenRoot] or [FS.Sub] fail with
// fs.ErrClosed. Files that were opened by it stay open. For a whole tree, it is
// [FS.Unmount].
func (f *FS) Close() error {
	if !f.sub {
		return f.Unmount()
	}
	f.closed.Store(true)
	return nil
}

// The subRoots of a tree are the directories that Subs of it start at.
type subRoots struct {
	byID map[dirID]subRoot
	open map[int]struct{} // all descriptors
	idle []int            // those of open that no view has any more
}

type subRoot struct {
	view weak.Pointer[lkl.View]
	fd   int
}

// A dirID identifies a directory of a tree.
type dirID struct {
	mount        uint64
	major, minor uint32
	inode        uint64
}

// subView returns the view that starts at a directory of another view.
func (t *tree) subView(v *lkl.View, p string) (*lkl.View, error) {
	var st unix.Statx_t
	c := v.NewChain()
	for _, fd := range t.takeIdleSubs(maxIdleSubs) {
		c.Close(fd)
	}
	open := c.Openat(unix.AT_FDCWD, p, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_MNT_ID, &st)
	err := c.Run()
	fd, openErr := c.Result(open)
	if openErr != nil {
		return nil, err
	}
	k := t.img.k
	if err != nil {
		k.CloseFd(fd)
		return nil, err
	}
	id := dirID{st.Mnt_id, st.Dev_major, st.Dev_minor, st.Ino}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subs == nil {
		t.subs = &subRoots{byID: map[dirID]subRoot{}, open: map[int]struct{}{}}
	}
	t.subs.open[fd] = struct{}{}
	if known := t.subs.byID[id].view.Value(); known != nil {
		t.subs.idle = append(t.subs.idle, fd)
		return known, nil
	}
	sub := k.Chroot(fd)
	t.subs.byID[id] = subRoot{weak.Make(sub), fd}
	// A call that runs has its view, so none can see another directory under
	// the descriptor's number.
	runtime.AddCleanup(sub, func(fd int) { t.forgetSub(id, fd) }, fd)
	return sub, nil
}

// forgetSub notes that no view has a directory any more. The descriptor is closed
// by the next caller: a cleanup must not wait for the kernel.
func (t *tree) forgetSub(id dirID, fd int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subs == nil {
		return
	}
	if t.subs.byID[id].fd == fd {
		delete(t.subs.byID, id)
	}
	t.subs.idle = append(t.subs.idle, fd)
}

// maxIdleSubs is how many descriptors are closed in passing.
const maxIdleSubs = 100

// takeIdleSubs returns up to n directories that no Sub has any more, to be closed.
func (t *tree) takeIdleSubs(n int) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subs == nil {
		return nil
	}
	n = min(n, len(t.subs.idle))
	take := t.subs.idle[:n:n]
	t.subs.idle = t.subs.idle[n:]
	for _, fd := range take {
		delete(t.subs.open, fd)
	}
	return take
}

// closeSubs closes all directories that Subs start at, when the tree ends.
//
// Preconditions: mu is held.
func (t *tree) closeSubs() {
	if t.subs == nil {
		return
	}
	for fd := range t.subs.open {
		t.img.k.CloseFd(fd)
	}
	t.subs = nil
}
