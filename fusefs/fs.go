package fusefs

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/lkl"
)

// allStat is the mask of all that statx(2) has to say.
const allStat = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// forever is how long the host may keep what it was told, in seconds. Nobody else changes it.
const forever = 365 * 24 * 3600

// An FS answers the host's requests about a tree.
type FS struct {
	fuse.RawFileSystem // answers ENOSYS to what there is no method for

	v        *lkl.View
	opts     Options
	root     int            // descriptor of the root
	readOnly bool           // nothing in it changes
	mounts   map[string]int // mount points but the root, and their numbers
	// foldsNames is set if one name may be another's in the tree, so that a name says
	// nothing about others.
	foldsNames bool
	noXattrs   bool // no file of the tree has attributes

	// names is held for reading by each call that finds a file by its name, and for writing
	// by those that remove and change names, so that a name is what it was when the call
	// comes to the image's kernel.
	names sync.RWMutex

	mu      sync.Mutex
	byID    map[uint64]*node    // guarded by mu
	byKey   map[nodeKey]*node   // guarded by mu
	lastID  uint64              // guarded by mu
	devs    map[uint64]uint64   // guarded by mu: devices in the order in which they were met
	files   map[uint64]*handle  // guarded by mu
	dirs    map[uint64]*dirRead // guarded by mu
	lastFh  uint64              // guarded by mu
	lastUse atomic.Int64        // when the last request came, ns

	// changes counts what has changed metadata, so that what was read ahead of a directory
	// is known to be old.
	changes atomic.Uint64

	// Of a tree in which nothing changes.
	orders      map[uint64]*dirOrder // guarded by mu: by directory
	lists       lists
	listBuffers sync.Pool
	contents    contents
	background  sync.WaitGroup // those who read ahead

	died   sync.Once
	server *fuse.Server
}

// newFS returns what answers requests about a tree.
func newFS(fsys *unboot.FS, o Options) (*FS, error) {
	f := &FS{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		v:             fsys.View(), opts: o, readOnly: true,
		byID: map[uint64]*node{}, byKey: map[nodeKey]*node{}, devs: map[uint64]uint64{},
		files: map[uint64]*handle{}, dirs: map[uint64]*dirRead{},
		orders: map[uint64]*dirOrder{},
		lastID: rootID,
	}
	list := fsys.Mounts()
	for i, m := range list {
		f.readOnly = f.readOnly && m.ReadOnly
		if i > 0 && fsys.Name() == "." {
			if f.mounts == nil {
				f.mounts = map[string]int{}
			}
			f.mounts[m.Dir] = i
		}
		var st unix.Statfs_t
		if fsys.Name() == "." && fsys.View().Statfs("/"+m.Dir, &st) == nil {
			f.foldsNames = f.foldsNames || folds(st.Type)
		}
	}
	var st unix.Statx_t
	var err error
	if f.root, err = f.v.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if err := f.v.Fstatx(f.root, allStat, &st); err != nil {
		f.v.CloseFd(f.root)
		return nil, err
	}
	root := &node{id: rootID, key: keyOf(&st, 0), mode: unix.S_IFDIR, pin: noPin}
	f.byID[rootID], f.byKey[root.key] = root, root
	f.inodeNumber(root.key.dev, 0)
	f.noXattrs = len(list) == 1 && f.lacks("user.unboot") && f.lacks("security.unboot") && f.lacks("system.posix_acl_access")
	f.lists.byKey, f.lists.flight = map[nodeKey]*listing{}, map[nodeKey]chan struct{}{}
	f.listBuffers.New = func() any { return new([listsAtOnce][listFirst + listRest]byte) }
	f.contents.init()
	f.used()
	return f, nil
}

// lacks reports whether the root's file system has no place for an attribute.
func (f *FS) lacks(attr string) bool {
	_, err := f.v.Lgetxattr("/", attr, nil)
	return err == unix.EOPNOTSUPP
}

// folds reports whether a file system, by its magic number, takes names for the same that
// differ in their case or otherwise.
func folds(magic int64) bool {
	switch magic {
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, ntfs3Magic, hfsMagic, hfsPlusMagic:
		return true
	}
	return false
}

// Magic numbers that package unix lacks: of fs/ntfs3/super.c, fs/hfs/hfs.h and fs/hfsplus/hfsplus_raw.h.
const (
	ntfs3Magic   = 0x7366746e
	hfsMagic     = 0x4244
	hfsPlusMagic = 0x482b
)

// used notes that the mount is in use.
func (f *FS) used() { f.lastUse.Store(time.Now().UnixNano()) }

// String is what the file system is called in mount tables.
func (f *FS) String() string { return "unboot" }

// Init is called before the first request.
func (f *FS) Init(s *fuse.Server) { f.server = s }

// status returns what the host is told of an error: the errno of the image's kernel, and EIO
// if that has ended, which is reported once.
func (f *FS) status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return fuse.Status(errno)
	}
	f.died.Do(func() {
		if f.opts.Log != nil {
			f.opts.Log(err)
		}
	})
	return fuse.EIO
}

// changed notes that metadata are not what they were.
func (f *FS) changed() { f.changes.Add(1) }

// close closes all descriptors, when no request can come any more.
func (f *FS) close() {
	f.background.Wait()
	f.closeLists()
	f.closeContents()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.files {
		f.v.CloseFd(h.fd)
	}
	for _, d := range f.dirs {
		f.v.CloseFd(d.fd)
	}
	for _, n := range f.byID {
		if n.pin != noPin {
			f.v.CloseFd(n.pin)
		}
	}
	f.v.CloseFd(f.root)
	clear(f.files)
	clear(f.dirs)
	clear(f.byID)
	clear(f.byKey)
}

// Lookup finds a name in a directory.
func (f *FS) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	f.used()
	f.names.RLock()
	defer f.names.RUnlock()
	err := f.lookup(in.NodeId, name, out)
	if err == unix.ENOENT && (f.readOnly || !f.foldsNames) {
		// That there is none may be kept, too.
		out.EntryValid = forever
		return fuse.OK
	}
	return f.status(err)
}

// lookup is Lookup.
//
// Preconditions: names is held.
func (f *FS) lookup(dir uint64, name string, out *fuse.EntryOut) error {
	if f.readOnly {
		var st unix.Statx_t
		if f.lookupListed(dir, name, &st) {
			return f.entry(dir, name, &st, out)
		}
	}
	p, err := f.at(dir, name)
	if err != nil {
		return err
	}
	defer f.leave(p)
	var st unix.Statx_t
	if err := f.v.Statx(p.fd, p.path, p.flags, allStat, &st); err != nil {
		return err
	}
	return f.entry(dir, name, &st, out)
}

// entry answers with a file that was found by a name.
//
// Preconditions: names is held.
func (f *FS) entry(dir uint64, name string, st *unix.Statx_t, out *fuse.EntryOut) error {
	n := f.meet(dir, name, st)
	if n == nil {
		return unix.ESTALE
	}
	out.NodeId, out.Generation = n.id, 1
	out.AttrValid = forever
	if f.readOnly || !f.foldsNames {
		out.EntryValid = forever
	}
	f.attr(st, &out.Attr)
	return nil
}

// Forget is called when the host does not know a file any more.
func (f *FS) Forget(id, lookups uint64) {
	pins, gone := f.forget(id, lookups)
	closeAll(f.v, pins)
	for _, n := range gone {
		f.lists.drop(n.key)
		f.contents.drop(f.v, n.id)
	}
}

// GetAttr answers with metadata.
func (f *FS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.used()
	var st unix.Statx_t
	fh := uint64(0)
	if in.Flags()&fuse.FUSE_GETATTR_FH != 0 {
		fh = in.Fh()
	}
	if err := f.stat(in.NodeId, fh, &st); err != nil {
		return f.status(err)
	}
	out.AttrValid = forever
	f.attr(&st, &out.Attr)
	return fuse.OK
}

// Statx answers with metadata that GetAttr has no place for.
func (f *FS) Statx(_ <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	f.used()
	var st unix.Statx_t
	fh := uint64(0)
	if in.GetattrFlags&fuse.FUSE_GETATTR_FH != 0 {
		fh = in.Fh
	}
	if err := f.stat(in.NodeId, fh, &st); err != nil {
		return f.status(err)
	}
	out.AttrValid = forever
	out.FromStatx(&st)
	out.Uid, out.Gid = f.opts.owners.shownUID(st.Uid), f.opts.owners.shownGID(st.Gid)
	f.mu.Lock()
	out.Ino = f.inodeNumber(devOf(&st), st.Ino)
	f.mu.Unlock()
	return fuse.OK
}

// stat fills st, by an open file if fh is not 0.
func (f *FS) stat(id, fh uint64, st *unix.Statx_t) error {
	if h := f.file(fh); h != nil {
		return f.v.Fstatx(h.fd, allStat, st)
	}
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(id, "")
	if err != nil {
		return err
	}
	defer f.leave(p)
	return f.v.Statx(p.fd, p.path, p.flags, allStat, st)
}

// StatFs answers with the sizes of the file system that a file is in.
func (f *FS) StatFs(_ <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	f.used()
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(in.NodeId, "")
	if err != nil {
		return f.status(err)
	}
	defer f.leave(p)
	var st unix.Statfs_t
	switch {
	case p.flags&unix.AT_EMPTY_PATH != 0:
		err = f.v.Fstatfs(p.fd, &st)
	case p.fd == unix.AT_FDCWD && in.NodeId == rootID:
		err = f.v.Fstatfs(f.root, &st)
	default:
		var fd int
		if fd, err = f.v.Openat(p.fd, p.path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
			err = f.v.Fstatfs(fd, &st)
			f.v.CloseFd(fd)
		}
	}
	if err != nil {
		return f.status(err)
	}
	*out = fuse.StatfsOut{
		Blocks: st.Blocks, Bfree: st.Bfree, Bavail: st.Bavail, Files: st.Files, Ffree: st.Ffree,
		Bsize: uint32(st.Bsize), Frsize: uint32(st.Frsize), NameLen: uint32(st.Namelen),
	}
	return fuse.OK
}

// Access is not asked: without the option default_permissions all is allowed that the image
// allows its root, and with it the host decides.
func (f *FS) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.ENOSYS }
