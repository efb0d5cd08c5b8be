package fusefs

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A nodeKey is what a file is known by: the device and the number of its inode, and the
// mount that it is seen through. The generation of an inode is not needed, since nobody else
// removes files: one without names is taken out of the table before its number can be another's.
type nodeKey struct {
	dev, ino uint64
	mount    int
}

// keyOf returns the key of a file from its metadata.
func keyOf(st *unix.Statx_t, mount int) nodeKey {
	return nodeKey{dev: devOf(st), ino: st.Ino, mount: mount}
}

func devOf(st *unix.Statx_t) uint64 { return uint64(st.Dev_major)<<32 | uint64(st.Dev_minor) }

// A node is a file that the host knows by a number of ours. It is found again by one of its
// names: that takes no descriptor, of which there are far fewer than files in a directory may
// be. One that has lost its name has a descriptor instead.
type node struct {
	id   uint64
	key  nodeKey
	mode uint16 // the type
	// small is the size of a small regular file with something in it, or of the target of a
	// symbolic link, in a tree that does not change, and otherwise 0.
	small uint32

	// All guarded by FS.mu.
	parent   *node  // the directory of one of its names; nil if it has none, and for the root
	name     string // the name
	pin      int    // a descriptor that keeps it and by which it is found without a name; -1 if there is none
	lookups  uint64 // how often the host was given it and has not forgotten it
	children int    // nodes whose parent it is
	looks    uint8  // how many names in it were looked up, up to looksListed
	at       uint32 // its place in the order of the directory, from 1, if it was listed
}

const noPin = -1

// rootID is FUSE_ROOT_ID.
const rootID = 1

// A place is what the system calls on directories and names take: a descriptor, a path from
// there, and flags that make them not follow a link, or take the descriptor itself.
type place struct {
	fd    int
	path  string
	flags int

	opened int // a descriptor to be closed, or -1
}

// node returns what the host means by a number, or nil.
func (f *FS) node(id uint64) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byID[id]
}

// pathLimit is where a path is too long for one system call.
const pathLimit = 4000

// at returns the place of a node, or of a name in it if name is not empty. It must be given
// back by leave.
//
// Preconditions: names is held.
func (f *FS) at(id uint64, name string) (place, error) {
	f.mu.Lock()
	n := f.byID[id]
	if n == nil {
		f.mu.Unlock()
		return place{}, unix.ESTALE
	}
	p := place{fd: unix.AT_FDCWD, flags: unix.AT_SYMLINK_NOFOLLOW, opened: -1}
	size := len(name) + 1
	top := n
	for ; top.parent != nil; top = top.parent {
		size += len(top.name) + 1
	}
	buf := make([]byte, size)
	end := size
	if name != "" {
		end -= len(name)
		copy(buf[end:], name)
		end--
		buf[end] = '/'
	}
	for m := n; m != top; m = m.parent {
		end -= len(m.name)
		copy(buf[end:], m.name)
		end--
		buf[end] = '/'
	}
	pin := top.pin
	f.mu.Unlock()
	p.path = string(buf[end:])
	switch {
	case top.id != rootID && pin == noPin:
		return place{}, unix.ESTALE
	case top.id == rootID && p.path == "":
		p.path = "/"
	case top.id != rootID && p.path == "":
		p.fd, p.flags = pin, unix.AT_EMPTY_PATH
	case top.id != rootID:
		p.fd, p.path = pin, p.path[1:]
	}
	if len(p.path) <= pathLimit {
		return p, nil
	}
	return f.shorten(p)
}

// shorten opens directories on the way of a path that is too long for one call.
func (f *FS) shorten(p place) (place, error) {
	for len(p.path) > pathLimit {
		cut := strings.LastIndexByte(p.path[:pathLimit], '/')
		if cut <= 0 {
			f.leave(p)
			return place{}, unix.ENAMETOOLONG
		}
		fd, err := f.v.Openat(p.fd, p.path[:cut], unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		f.leave(p)
		if err != nil {
			return place{}, err
		}
		p.fd, p.opened, p.path = fd, fd, p.path[cut+1:]
	}
	return p, nil
}

// leave closes what at has opened.
func (f *FS) leave(p place) {
	if p.opened >= 0 {
		f.v.CloseFd(p.opened)
	}
}

// mountOf returns the number of the mount in which a child of a directory is.
//
// Preconditions: mu is held.
func (f *FS) mountOf(parent *node, name string, st *unix.Statx_t) int {
	if len(f.mounts) == 0 || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return parent.key.mount
	}
	path := name
	for n := parent; n.parent != nil; n = n.parent {
		path = n.name + "/" + path
	}
	if i, ok := f.mounts[path]; ok {
		return i
	}
	return parent.key.mount
}

// meet returns the node of a file that was found by a name in a directory, and counts one
// lookup more. It is nil if the directory is not known any more.
//
// Preconditions: names is held, for reading or writing.
func (f *FS) meet(dir uint64, name string, st *unix.Statx_t) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent := f.byID[dir]
	if parent == nil {
		return nil
	}
	key := keyOf(st, f.mountOf(parent, name, st))
	n := f.byKey[key]
	if n == nil {
		f.lastID++
		n = &node{id: f.lastID, key: key, mode: st.Mode & unix.S_IFMT, pin: noPin}
		f.byID[n.id], f.byKey[key] = n, n
		f.inodeNumber(key.dev, 0)
		if f.readOnly && (n.mode == unix.S_IFREG && st.Size < smallFile || n.mode == unix.S_IFLNK && st.Size < unix.PathMax) {
			n.small = uint32(st.Size)
		}
	}
	if n.parent == nil && n.id != rootID {
		n.setName(parent, name)
	}
	n.lookups++
	return n
}

// setName gives a node a name; parent may be nil.
//
// Preconditions: FS.mu is held.
func (n *node) setName(parent *node, name string) {
	if parent != nil {
		parent.children++
	}
	if n.parent != nil {
		n.parent.children--
	}
	n.parent, n.name = parent, name
}

// forget takes back lookups. It returns descriptors that are not needed any more, and the
// nodes whose numbers mean nothing now, in a tree that does not change.
func (f *FS) forget(id, lookups uint64) (pins []int, gone []*node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.byID[id]
	if n == nil || id == rootID {
		return nil, nil
	}
	n.lookups -= min(lookups, n.lookups)
	for n != nil && n.id != rootID && n.lookups == 0 && n.children == 0 {
		delete(f.byID, n.id)
		delete(f.orders, n.id)
		if f.readOnly {
			gone = append(gone, n)
		}
		if f.byKey[n.key] == n {
			delete(f.byKey, n.key)
		}
		if n.pin != noPin {
			pins = append(pins, n.pin)
		}
		parent := n.parent
		n.setName(nil, "")
		n.pin = noPin
		n = parent
	}
	return pins, gone
}

// lost notes that a name was removed, of which fd is a descriptor. It returns the
// descriptors that are not needed.
//
// Preconditions: names is held for writing.
func (f *FS) lost(dir uint64, name string, before, after *unix.Statx_t, fd int) (close []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent := f.byID[dir]
	if parent == nil {
		return []int{fd}
	}
	n := f.byKey[keyOf(before, f.mountOf(parent, name, before))]
	if n == nil {
		return []int{fd}
	}
	gone := after.Nlink == 0 || before.Mode&unix.S_IFMT == unix.S_IFDIR
	if gone {
		delete(f.byKey, n.key)
	}
	if !gone && (n.parent != parent || n.name != name) {
		return []int{fd}
	}
	// Its other names, if there are any, are not known.
	n.setName(nil, "")
	if n.pin != noPin {
		return []int{fd}
	}
	n.pin = fd
	return nil
}

// moved notes that a file has another name.
//
// Preconditions: names is held for writing.
func (f *FS) moved(dir uint64, name string, newdir uint64, newname string, st *unix.Statx_t) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, to := f.byID[dir], f.byID[newdir]
	if from == nil || to == nil {
		return
	}
	n := f.byKey[keyOf(st, from.key.mount)]
	if n != nil && (n.parent == nil || n.parent == from && n.name == name) {
		n.setName(to, newname)
	}
}

// inodeNumber returns the number that the host sees of a file.
//
// Preconditions: mu is held.
func (f *FS) inodeNumber(dev, ino uint64) uint64 {
	i, ok := f.devs[dev]
	if !ok {
		i = uint64(len(f.devs))
		f.devs[dev] = i
	}
	return ino ^ i<<48
}

// closeAll closes descriptors of the image's kernel.
func closeAll(v *lkl.View, fds []int) {
	for _, fd := range fds {
		v.CloseFd(fd)
	}
}
