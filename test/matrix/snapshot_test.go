package matrix

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A node is all that is known of a file.
type node struct {
	Mode     uint32
	UID, GID uint32
	Nlink    uint32
	Size     uint64
	Mtime    time.Time
	Rdev     uint64
	Target   string
	Hash     [sha256.Size]byte
	Xattrs   map[string]string

	// not compared
	blocks uint64
	ino    uint64
}

// A tree is the nodes by their paths below a root, which is ".".
type tree map[string]*node

// take reads a tree. What cannot be read is an error; names in skip are left
// out.
func take(s sys, root string, skip ...string) (tree, error) {
	t := tree{}
	st, err := s.stat(root)
	if err != nil {
		return nil, fmt.Errorf("stat %s: %w", root, err)
	}
	return t, t.add(s, root, ".", &st, skip)
}

func (t tree) add(s sys, path, name string, st *unix.Statx_t, skip []string) error {
	n := &node{
		Mode: uint32(st.Mode), UID: st.Uid, GID: st.Gid, Nlink: st.Nlink, Size: st.Size,
		Mtime:  time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)).UTC(),
		Rdev:   unix.Mkdev(st.Rdev_major, st.Rdev_minor),
		blocks: st.Blocks, ino: st.Ino,
	}
	t[name] = n
	var err error
	if n.Xattrs, err = xattrs(s, path); err != nil {
		return fmt.Errorf("attributes of %q: %w", path, err)
	}
	switch n.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if n.Nlink > 100 && name != "links/first" && strings.HasPrefix(name, "links/") {
			break // one of its many names will do
		}
		if n.Hash, err = hash(s, path, int64(n.Size)); err != nil {
			return fmt.Errorf("read %q: %w", path, err)
		}
	case unix.S_IFLNK:
		if n.Target, err = s.Readlink(unix.AT_FDCWD, path); err != nil {
			return fmt.Errorf("readlink %q: %w", path, err)
		}
	case unix.S_IFDIR:
		type entry struct {
			name string
			st   unix.Statx_t
		}
		var entries []entry
		err := s.list(path, func(name string, st *unix.Statx_t) {
			entries = append(entries, entry{strings.Clone(name), *st})
		})
		if err != nil {
			return fmt.Errorf("list %q: %w", path, err)
		}
		for _, e := range entries {
			sub := e.name
			if name != "." {
				sub = name + "/" + sub
			}
			if slices.Contains(skip, sub) {
				continue
			}
			if err := t.add(s, path+"/"+e.name, sub, &e.st, skip); err != nil {
				return err
			}
		}
	}
	return nil
}

func xattrs(s sys, path string) (map[string]string, error) {
	buf := make([]byte, 4096)
	n, err := s.Llistxattr(path, buf)
	if err == unix.EOPNOTSUPP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m map[string]string
	value := make([]byte, 8192)
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name == "" || !compared(name) {
			continue
		}
		n, err := s.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if m == nil {
			m = map[string]string{}
		}
		m[name] = string(value[:n])
	}
	return m, nil
}

// compared leaves out what kernels make up by themselves; and what hfsplus lists under
// a name that lacks its end, by which nothing can be read.
func compared(attr string) bool {
	return attr != "osx.com.apple.FinderInf" && attr != "security.selinux" && !strings.HasPrefix(attr, "trusted.SGI_ACL_") &&
		!strings.HasPrefix(attr, "$LX") && !strings.HasPrefix(attr, "system.ntfs") && !strings.HasPrefix(attr, "system.dos")
}

var zero [4096]byte

// hash is of the blocks that are not all zeros, with their places: holes and
// zeros are the same, and a file of 3 TiB takes no time.
func hash(s sys, path string, size int64) (sum [sha256.Size]byte, err error) {
	if size == 0 {
		return sum, nil
	}
	fd, err := s.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return sum, err
	}
	defer s.CloseFd(fd)
	h := sha256.New()
	buf := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size; {
		data, err := s.Seek(fd, at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		if err == nil {
			at = max(at, data&^4095)
		}
		n, err := s.Pread(fd, buf, at)
		if err != nil {
			return sum, fmt.Errorf("at %d: %w", at, err)
		}
		if n == 0 {
			return sum, fmt.Errorf("ends at %d of %d", at, size)
		}
		for i := 0; i < n; i += 4096 {
			if b := buf[i:min(i+4096, n)]; !bytes.Equal(b, zero[:len(b)]) {
				binary.Write(h, binary.LittleEndian, at+int64(i))
				h.Write(b)
			}
		}
		at += int64(n)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// A lens makes nodes alike where a file system cannot hold all of them.
type lens func(path string, n *node)

// diff says where trees differ, ten times at most.
func diff(got, want tree, lenses ...lens) (list []string) {
	paths := slices.Sorted(maps.Keys(want))
	for p := range got {
		if want[p] == nil {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		switch a, b := got[p], want[p]; {
		case a == nil:
			list = append(list, fmt.Sprintf("%q is missing", p))
		case b == nil:
			list = append(list, fmt.Sprintf("%q should not be there", p))
		default:
			if d := a.diff(b, p, lenses); d != "" {
				list = append(list, fmt.Sprintf("%q: %s", p, d))
			}
		}
	}
	if len(list) > 10 {
		list = append(list[:10], fmt.Sprintf("and %d more", len(list)-10))
	}
	return list
}

func (n node) diff(want *node, path string, lenses []lens) string {
	w := *want
	if n.Mode&unix.S_IFMT == unix.S_IFDIR {
		// How large a directory is, and how its links are counted, is the
		// driver's affair.
		n.Size, w.Size, n.Nlink, w.Nlink = 0, 0, 0, 0
	}
	for _, l := range lenses {
		l(path, &n)
		l(path, &w)
	}
	var list []string
	add := func(what string, a, b any) {
		if a != b {
			list = append(list, fmt.Sprintf("%s is %v, not %v", what, a, b))
		}
	}
	add("mode", fmt.Sprintf("%#o", n.Mode), fmt.Sprintf("%#o", w.Mode))
	add("user", n.UID, w.UID)
	add("group", n.GID, w.GID)
	add("links", n.Nlink, w.Nlink)
	add("size", n.Size, w.Size)
	add("time", n.Mtime, w.Mtime)
	add("device", n.Rdev, w.Rdev)
	add("target", n.Target, w.Target)
	if n.Hash != w.Hash {
		list = append(list, "the content differs")
	}
	if !maps.Equal(n.Xattrs, w.Xattrs) {
		list = append(list, fmt.Sprintf("attributes are %q, not %q", n.Xattrs, w.Xattrs))
	}
	return strings.Join(list, ", ")
}

// coarse is the lens for file systems that know times to a unit.
func coarse(unit time.Duration) lens {
	return func(_ string, n *node) { n.Mtime = n.Mtime.Truncate(unit) }
}

// noRoot is for those whose root has no time.
func noRoot(path string, n *node) {
	if path == "." {
		n.Mtime = time.Time{}
	}
}

func noOwners(_ string, n *node) { n.UID, n.GID = 0, 0 }
func noModes(_ string, n *node)  { n.Mode &= unix.S_IFMT }

// noXattrs is for drivers that show what they know as attributes (hfs).
func noXattrs(_ string, n *node) { n.Xattrs = nil }
