package hostdir

import (
	"container/list"
	"path"

	"golang.org/x/sys/unix"
)

// A fileID tells a file of the host from all others.
type fileID struct {
	dev, ino uint64
	kind     uint32 // S_IFMT
}

func idOf(st *unix.Stat_t) fileID {
	return fileID{uint64(st.Dev), st.Ino, st.Mode & unix.S_IFMT}
}

// A node is a file that the client has a name for: an entry of a directory of the host. It
// need not be open: a client may know of more files than a process can have open, and a node
// can be found again by its name.
type node struct {
	parent   *node // nil: the root, or no longer in the tree
	name     string
	id       fileID
	children map[string]*node // that are referred to
	refs     int              // of fids and children
	closed   bool             // what is below is out of bounds

	fd   int           // of O_PATH, or -1
	kept *list.Element // of tree.paths, if fd may be closed
}

// path returns the node's path below the root, or what is known of it.
func (n *node) path() string {
	p := ""
	for ; n != nil; n = n.parent {
		p = path.Join(n.name, p)
	}
	return p
}

const (
	// maxDepth is how deep directories can lie in each other: as deep as PATH_MAX allows.
	maxDepth = 2048

	// maxHeld is how many files that were removed are kept for who still refers to them without
	// having opened them.
	maxHeld = 1024
)

// A tree is the nodes of a session.
type tree struct {
	root  *node
	paths *list.List // of nodes with a descriptor, the most recently used first
	max   int        // of paths
	held  int        // descriptors of nodes that have left the tree
}

// newTree returns a tree with a duplicate of a descriptor of O_PATH as its root.
func newTree(fd int, st *unix.Stat_t) (*tree, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return &tree{root: &node{id: idOf(st), refs: 1, fd: fd}, paths: list.New(), max: maxPaths()}, nil
}

// lookup returns the node of a name in a directory, to which the caller refers from now on,
// and its attributes.
func (t *tree) lookup(dir *node, name string) (*node, *unix.Stat_t, error) {
	if dir.closed {
		return nil, nil, unix.EACCES
	}
	at, err := t.descriptor(dir)
	if err != nil {
		return nil, nil, err
	}
	fd, st, err := openPath(at, name)
	if err != nil {
		return nil, nil, err
	}
	n := dir.children[name]
	if n != nil && n.id != idOf(st) {
		t.detach(n) // the host has something else there now
		n = nil
	}
	if n == nil {
		if depth(dir) >= maxDepth {
			unix.Close(fd)
			return nil, nil, unix.ENAMETOOLONG
		}
		n = &node{name: name, id: idOf(st), fd: -1}
		n.closed = n.id.dev != dir.id.dev && ofKernel(fd)
		t.attach(n, dir)
	}
	n.refs++
	if n.fd >= 0 {
		unix.Close(fd)
	} else {
		t.keep(n, fd)
	}
	return n, st, nil
}

// openPath opens a name in a directory as O_PATH, which touches nothing, and follows nothing.
func openPath(dirfd int, name string) (fd int, st *unix.Stat_t, err error) {
	err = again(func() error {
		fd, err = unix.Openat(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, nil, err
	}
	st = new(unix.Stat_t)
	if err := again(func() error { return unix.Fstat(fd, st) }); err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, st, nil
}

// depth returns how many directories a node lies in.
func depth(n *node) (d int) {
	for ; n.parent != nil; n = n.parent {
		d++
	}
	return d
}

// descriptor returns a descriptor of O_PATH of a node, which is good until the next call.
// ESTALE: its name is another file's now.
func (t *tree) descriptor(n *node) (int, error) {
	var way []*node
	at := n
	for ; at.fd < 0; at = at.parent {
		if at.parent == nil {
			return -1, unix.ESTALE
		}
		way = append(way, at)
	}
	if at.kept != nil {
		t.paths.MoveToFront(at.kept)
	}
	fd := at.fd
	for i := len(way) - 1; i >= 0; i-- {
		next, st, err := openPath(fd, way[i].name)
		if err == nil && idOf(st) != way[i].id {
			unix.Close(next)
			err = unix.ESTALE
		}
		if err != nil {
			return -1, err
		}
		t.keep(way[i], next)
		fd = next
	}
	return fd, nil
}

// keep gives a node a descriptor, for which that of another one may be closed.
func (t *tree) keep(n *node, fd int) {
	n.fd, n.kept = fd, t.paths.PushFront(n)
	if t.paths.Len() > t.max {
		t.forget(t.paths.Back().Value.(*node))
	}
}

// forget closes a node's descriptor.
func (t *tree) forget(n *node) {
	if n.fd < 0 {
		return
	}
	if n.kept != nil {
		t.paths.Remove(n.kept)
	} else if n != t.root {
		t.held--
	}
	unix.Close(n.fd)
	n.fd, n.kept = -1, nil
}

func (t *tree) attach(n, dir *node) {
	if dir.children == nil {
		dir.children = map[string]*node{}
	}
	dir.children[n.name] = n
	n.parent = dir
	dir.refs++
}

// detach takes a node out of the tree, as its name is no longer its own. It keeps its
// descriptor if it has one.
func (t *tree) detach(n *node) {
	dir := n.parent
	if dir == nil {
		return
	}
	delete(dir.children, n.name)
	n.parent = nil
	if n.kept != nil {
		if t.held < maxHeld {
			t.paths.Remove(n.kept)
			n.kept = nil
			t.held++
		} else {
			t.forget(n)
		}
	}
	t.release(dir)
}

// release ends a reference to a node.
func (t *tree) release(n *node) {
	for n != nil {
		if n.refs--; n.refs > 0 || n == t.root {
			return
		}
		t.forget(n)
		dir := n.parent
		if dir != nil {
			delete(dir.children, n.name)
			n.parent = nil
		}
		n = dir
	}
}

// hold sees to it that the node of a name, if somebody refers to it, can be used when the name
// is removed.
func (t *tree) hold(dir *node, name string) {
	if n := dir.children[name]; n != nil {
		t.descriptor(n)
	}
}

// gone takes the node of a name out of the tree.
func (t *tree) gone(dir *node, name string) {
	if n := dir.children[name]; n != nil {
		t.detach(n)
	}
}

// moved follows a rename.
func (t *tree) moved(dir *node, name string, to *node, as string) {
	n := dir.children[name]
	if n == to.children[as] && n != nil {
		return
	}
	t.gone(to, as)
	if n == nil {
		return
	}
	for at := to; at != nil; at = at.parent {
		if at == n {
			// The host has moved them before, so that what we know of one of them is old.
			t.detach(n)
			return
		}
	}
	n.refs++
	t.unlinked(n)
	n.name = as
	t.attach(n, to)
	t.release(n)
}

// unlinked takes a node out of its directory, to be put into another one at once.
func (t *tree) unlinked(n *node) {
	dir := n.parent
	delete(dir.children, n.name)
	n.parent = nil
	t.release(dir)
}

// close ends the tree, when all references but its own have been released.
func (t *tree) close() { t.forget(t.root) }
