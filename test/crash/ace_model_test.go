package crash

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// An aceModel is what a file system has to hold and may hold after a crash: of each name, and of
// each file's content, all states since the last that was made durable.
//
// What is made durable is what the file systems promise, beyond POSIX (Linux's
// Documentation/filesystems for ext4 and XFS; for btrfs what its developers have called bugs):
// sync all; fsync of a file its content, its attributes and all its names, and that names which were
// taken from it are not its any more; fdatasync its content; fsync of a directory the
// names in it, and its own. Of anything else, the state may be any since then.
type aceModel struct {
	root  *aceNode
	nodes []*aceNode // all that there ever were
}

// An aceNode is a file, a directory or a symbolic link.
type aceNode struct {
	id     int
	kind   byte // f, d or l
	ino    uint64
	target string
	names  map[string][]*aceNode // of a directory: what each name has meant, the last is now; nil is nothing

	data   []byte
	xattr  string
	size   int          // before the last change
	writes int          // so far: no two write the same
	blocks map[int]bool // that are allocated, of 4 KiB
	links  int

	// datas, xattrs: all since the last durable one, which is the first; the last is now.
	datas, xattrs []aceVersion
	durable       bool // it was made durable that it exists
	fewest, most  int  // links since then
}

// An aceVersion is a content, or the value of the attribute.
type aceVersion struct {
	data   []byte
	blocks int // allocated at least
}

func newACEModel() *aceModel {
	m := &aceModel{}
	m.root = m.add('d')
	m.root.durable, m.root.links, m.root.most, m.root.fewest = true, 1, 1, 1
	return m
}

func (m *aceModel) add(kind byte) *aceNode {
	n := &aceNode{id: len(m.nodes), kind: kind, blocks: map[int]bool{}, datas: []aceVersion{{}}, xattrs: []aceVersion{{}}}
	if kind == 'd' {
		n.names = map[string][]*aceNode{}
	}
	m.nodes = append(m.nodes, n)
	return n
}

func (m *aceModel) clone() *aceModel {
	c := &aceModel{nodes: make([]*aceNode, len(m.nodes))}
	for i, n := range m.nodes {
		copied := *n
		// Versions and contents are never changed, only replaced.
		copied.datas, copied.xattrs = slices.Clip(n.datas), slices.Clip(n.xattrs)
		copied.blocks = make(map[int]bool, len(n.blocks))
		for b := range n.blocks {
			copied.blocks[b] = true
		}
		c.nodes[i] = &copied
	}
	for i, n := range m.nodes {
		if n.names == nil {
			continue
		}
		names := make(map[string][]*aceNode, len(n.names))
		for name, list := range n.names {
			for _, child := range list {
				if child != nil {
					child = c.nodes[child.id]
				}
				names[name] = append(names[name], child)
			}
		}
		c.nodes[i].names = names
	}
	c.root = c.nodes[0]
	return c
}

// hash adds to a sum what a file system has to hold and may hold.
func (m *aceModel) hash(h *maphash.Hash) {
	for _, n := range m.nodes {
		fmt.Fprintf(h, "%d %c %d %s %v %d %d;", n.id, n.kind, n.ino, n.target, n.durable, n.fewest, n.most)
		for _, name := range slices.Sorted(maps.Keys(n.names)) {
			fmt.Fprintf(h, "%s:", name)
			for _, child := range n.names[name] {
				if child != nil {
					fmt.Fprintf(h, "%d", child.id)
				}
				h.WriteString(",")
			}
		}
		for _, list := range [][]aceVersion{n.datas, n.xattrs} {
			for _, v := range list {
				fmt.Fprintf(h, "%d %d:", len(v.data), v.blocks)
				h.Write(v.data)
			}
		}
	}
}

// now returns what a name means.
func (n *aceNode) now(name string) *aceNode {
	if list := n.names[name]; len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

// lookup returns what is at a path, or nil.
func (m *aceModel) lookup(p string) *aceNode {
	if p == "" {
		return m.root
	}
	dir, base := aceSplit(p)
	d := m.lookup(dir)
	if d == nil || d.kind != 'd' {
		return nil
	}
	return d.now(base)
}

func (n *aceNode) set(name string, child *aceNode) {
	if n.names[name] == nil {
		n.names[name] = []*aceNode{nil}
	}
	if old := n.now(name); old != nil {
		old.links--
		old.fewest = min(old.fewest, old.links)
	}
	if child != nil {
		child.links++
		child.most = max(child.most, child.links)
	}
	n.names[name] = append(n.names[name], child)
}

func (n *aceNode) empty() bool {
	for name := range n.names {
		if n.now(name) != nil {
			return false
		}
	}
	return true
}

// can reports whether an operation succeeds.
func (m *aceModel) can(o aceOp) bool {
	n := m.lookup(o.path)
	at := func(p string) bool { // its directory is there
		dir, _ := aceSplit(p)
		d := m.lookup(dir)
		return d != nil && d.kind == 'd'
	}
	switch o.name {
	case "sync":
		return true
	case "creat", "mkdir":
		return n == nil && at(o.path)
	case "remove":
		return n != nil && n.kind == 'd' && n != m.root && n.empty()
	case "unlink":
		return n != nil && n.kind != 'd'
	case "fsync":
		return n != nil && n.kind != 'l'
	case "link":
		return n != nil && n.kind == 'f' && at(o.to) && m.lookup(o.to) == nil
	case "symlink":
		return n != nil && n.kind == 'f' && at(o.to) && m.lookup(o.to) == nil
	case "rename":
		to := m.lookup(o.to)
		switch {
		case n == nil || n == to || !at(o.to):
			return false
		case n.kind != 'd':
			return to == nil || to.kind != 'd'
		}
		return to == nil || to.kind == 'd' && to.empty()
	case "removexattr":
		return n != nil && n.kind == 'f' && n.xattr != ""
	}
	return n != nil && n.kind == 'f'
}

// do does an operation that can be done.
func (m *aceModel) do(o aceOp) {
	n := m.lookup(o.path)
	dir, base := aceSplit(o.path)
	switch o.name {
	case "sync":
		m.persistAll()
	case "fsync":
		m.persist(n)
	case "fdatasync":
		n.datas, n.durable = n.datas[len(n.datas)-1:], true
	case "creat":
		m.lookup(dir).set(base, m.add('f'))
	case "mkdir":
		m.lookup(dir).set(base, m.add('d'))
	case "unlink", "remove":
		m.lookup(dir).set(base, nil)
	case "link", "symlink", "rename":
		toDir, toBase := aceSplit(o.to)
		d, fewest := m.lookup(toDir), n.fewest
		switch o.name {
		case "symlink":
			n = m.add('l')
			n.target = o.path
		case "rename":
			m.lookup(dir).set(base, nil)
		}
		d.set(toBase, n)
		if o.name == "rename" { // it is there all the time
			n.fewest = fewest
		}
	case "fsetxattr":
		n.xattr = "value"
		n.xattrs = append(slices.Clip(n.xattrs), aceVersion{data: []byte(n.xattr)})
	case "removexattr":
		n.xattr = ""
		n.xattrs = append(slices.Clip(n.xattrs), aceVersion{})
	default:
		n.change(o)
	}
}

// change changes the content of a file.
func (n *aceNode) change(o aceOp) {
	n.size = len(n.data)
	off, length := o.span(n.size)
	end := off + length
	data := slices.Clone(n.data)
	grow := func(size int) {
		if size > len(data) {
			data = append(data, make([]byte, size-len(data))...)
		}
	}
	pages := func(from, to int, allocated bool) {
		for b := from / 4096; b*4096 < to; b++ {
			n.blocks[b] = allocated
		}
	}
	switch o.name {
	case "write", "dwrite":
		grow(end)
		n.writes++
		copy(data[off:], aceBytes(n.id, n.writes, off, length))
		pages(off, end, true)
	case "falloc":
		if o.mode&unix.FALLOC_FL_KEEP_SIZE == 0 {
			grow(end)
		}
		if o.mode&(unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_PUNCH_HOLE) != 0 && off < len(data) {
			clear(data[off:min(end, len(data))])
		}
		if o.mode&unix.FALLOC_FL_PUNCH_HOLE != 0 {
			pages((off+4095)&^4095, end&^4095, false)
		} else {
			pages(off, end, true)
		}
	case "truncate":
		size := 0
		if o.where == "unaligned" {
			size = 2500
		}
		grow(size)
		data = data[:size]
		for b := range n.blocks {
			if b*4096 >= size {
				delete(n.blocks, b)
			}
		}
	}
	blocks := 0
	for _, allocated := range n.blocks {
		if allocated {
			blocks++
		}
	}
	n.data = data
	n.datas = append(slices.Clip(n.datas), aceVersion{data, blocks})
}

// aceBytes are what the write of a number writes: none of them is zero, and they say which write it was.
func aceBytes(id, write, off, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + (id*89+write*31+(off+i)>>9)%255)
	}
	return b
}

// persistAll makes all durable.
func (m *aceModel) persistAll() {
	for _, n := range m.nodes {
		n.settle()
		for name := range n.names {
			n.names[name] = []*aceNode{n.now(name)}
		}
	}
}

func (n *aceNode) settle() {
	n.datas, n.xattrs = n.datas[len(n.datas)-1:], n.xattrs[len(n.xattrs)-1:]
	n.durable = n.links > 0
	n.fewest, n.most = n.links, n.links
}

// persist makes a file or a directory durable.
func (m *aceModel) persist(n *aceNode) {
	n.settle()
	for _, d := range m.nodes {
		for name, list := range d.names {
			if d.now(name) == n {
				d.names[name] = []*aceNode{n}
			} else if slices.Contains(list, n) {
				d.names[name] = slices.DeleteFunc(slices.Clone(list), func(x *aceNode) bool { return x == n })
			}
		}
	}
	for name := range n.names {
		child := n.now(name)
		n.names[name] = []*aceNode{child}
		if child != nil {
			child.durable, child.fewest = true, child.links
		}
	}
}

// An aceFound is what is at a name after a crash.
type aceFound struct {
	kind    byte
	ino     uint64
	links   int
	blocks  int // of 512 bytes
	target  string
	data    []byte
	xattr   string
	entries map[string]*aceFound // of a directory
}

// check compares what was found with the model, and returns all that is not allowed.
func (m *aceModel) check(root *aceFound) (wrong []string) {
	c := &aceCheck{m: m, count: map[uint64]int{}, seen: map[uint64]*aceFound{}}
	c.dir("", m.root, root)
	for _, n := range m.nodes[1:] {
		found := c.count[n.ino]
		if n.ino == 0 || c.shares(n) {
			continue // never made, or its number is another's now
		}
		if n.durable && n.fewest > 0 && found == 0 {
			c.complain("node %d (%c), which was made durable, is nowhere", n.id, n.kind)
		}
		if found > n.most {
			c.complain("node %d (%c) has %d names, and never had more than %d", n.id, n.kind, found, n.most)
		}
	}
	for ino, f := range c.seen {
		if f.kind != 'd' && f.links != c.count[ino] {
			c.complain("inode %d has a link count of %d, and %d names", ino, f.links, c.count[ino])
		}
	}
	return c.wrong
}

type aceCheck struct {
	m     *aceModel
	count map[uint64]int // names of an inode
	seen  map[uint64]*aceFound
	wrong []string
}

func (c *aceCheck) complain(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// shares reports whether other nodes have the inode number of one: it was used again.
func (c *aceCheck) shares(n *aceNode) bool {
	return slices.ContainsFunc(c.m.nodes, func(o *aceNode) bool { return o != n && o.ino == n.ino })
}

// is reports whether a node is what was found.
func (n *aceNode) is(f *aceFound) bool {
	if n == nil || f == nil {
		return n == nil && f == nil
	}
	return n.kind == f.kind && n.ino == f.ino
}

func (c *aceCheck) dir(p string, n *aceNode, found *aceFound) {
	for name, allowed := range n.names {
		f := found.entries[name]
		if !slices.ContainsFunc(allowed, func(n *aceNode) bool { return n.is(f) }) {
			c.complain("%s/%s is %s; it can be %s", p, name, f, aceNames(allowed))
		}
	}
	for name, f := range found.entries {
		if p == "" && name == "lost+found" {
			continue
		}
		if _, ok := n.names[name]; !ok {
			c.complain("%s/%s was never made", p, name)
			continue
		}
		c.count[f.ino]++
		c.seen[f.ino] = f
		c.entry(p+"/"+name, f)
	}
}

func (c *aceCheck) entry(p string, f *aceFound) {
	// There are several where a number was used again: it has to be one of them.
	var best *aceCheck
	for _, n := range c.m.nodes {
		if !n.is(f) {
			continue
		}
		try := &aceCheck{m: c.m, count: maps.Clone(c.count), seen: maps.Clone(c.seen)}
		if f.kind == 'd' {
			try.dir(p, n, f)
		} else if why := n.differs(f); why != "" {
			try.complain("%s: %s", p, why)
		}
		if best == nil || len(try.wrong) < len(best.wrong) {
			best = try
		}
	}
	if best != nil {
		c.count, c.seen, c.wrong = best.count, best.seen, append(c.wrong, best.wrong...)
	}
}

// differs says what of a file's content cannot be.
func (n *aceNode) differs(f *aceFound) string {
	if n.kind == 'l' {
		if f.target != n.target {
			return fmt.Sprintf("it leads to %q, not to %q", f.target, n.target)
		}
		return ""
	}
	if !slices.ContainsFunc(n.xattrs, func(v aceVersion) bool { return string(v.data) == f.xattr }) {
		return fmt.Sprintf("the attribute is %q", f.xattr)
	}
	least, most := len(n.datas[0].data), 0
	for _, v := range n.datas {
		least, most = min(least, len(v.data)), max(most, len(v.data))
	}
	if len(f.data) < least || len(f.data) > most {
		return fmt.Sprintf("%d bytes, it can have %d to %d", len(f.data), least, most)
	}
	if len(n.datas) == 1 {
		v := n.datas[0]
		switch {
		case !bytes.Equal(v.data, f.data):
			return "other bytes than what was made durable" + firstDifference(v.data, f.data)
		case len(v.data) >= 4096 && f.blocks*512 < v.blocks*4096:
			return fmt.Sprintf("%d KiB allocated, of %d that were made durable", f.blocks/2, v.blocks*4)
		}
		return ""
	}
	for i, b := range f.data {
		if !slices.ContainsFunc(n.datas, func(v aceVersion) bool {
			return i < len(v.data) && v.data[i] == b || i >= len(v.data) && b == 0
		}) {
			return fmt.Sprintf("byte %d is %#x, which it never was", i, b)
		}
	}
	return ""
}

func firstDifference(a, b []byte) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf(" (byte %d is %#x, not %#x)", i, b[i], a[i])
		}
	}
	return ""
}

func (f *aceFound) String() string {
	if f == nil {
		return "not there"
	}
	return fmt.Sprintf("inode %d (%c)", f.ino, f.kind)
}

func aceNames(list []*aceNode) (words []string) {
	for _, n := range list {
		if n == nil {
			words = append(words, "not there")
		} else {
			words = append(words, fmt.Sprintf("inode %d (%c)", n.ino, n.kind))
		}
	}
	return words
}
