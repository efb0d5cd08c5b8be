package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/treecopy"
)

// treeDiff compares two trees of the host in all that stat(2) and listxattr(2)
// say, and in content. What can take "nox", "noowner", "nomode", "notimes",
// "nolinks", "noholes" away, for file systems and tools that do not keep it, and
// "-NAME" leaves out a top-level name.
func treeDiff(a, b string, what []string) (diff []string, err error) {
	without := func(s string) bool { return slices.Contains(what, s) }
	left, err := readTree(a, what)
	if err != nil {
		return nil, err
	}
	right, err := readTree(b, what)
	if err != nil {
		return nil, err
	}
	add := func(p, format string, args ...any) {
		diff = append(diff, fmt.Sprintf("%q: ", p)+fmt.Sprintf(format, args...))
	}
	firstOf := func(t map[string]*unix.Stat_t) map[string]string {
		first, by := map[string]string{}, map[uint64]string{}
		for _, p := range sortedKeys(t) {
			if st := t[p]; st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
				if by[st.Ino] == "" {
					by[st.Ino] = p
				}
				first[p] = by[st.Ino]
			}
		}
		return first
	}
	leftLinks, rightLinks := firstOf(left), firstOf(right)
	for _, p := range sortedKeys(left) {
		l, r := left[p], right[p]
		if r == nil {
			add(p, "only in the first")
			continue
		}
		pa, pb := filepath.Join(a, p), filepath.Join(b, p)
		typ := l.Mode & unix.S_IFMT
		if typ != r.Mode&unix.S_IFMT {
			add(p, "types %o and %o", l.Mode, r.Mode)
			continue
		}
		if !without("nomode") && l.Mode != r.Mode {
			add(p, "modes %o and %o", l.Mode, r.Mode)
		}
		if !without("noowner") && (l.Uid != r.Uid || l.Gid != r.Gid) {
			add(p, "owners %d:%d and %d:%d", l.Uid, l.Gid, r.Uid, r.Gid)
		}
		if !without("notimes") && l.Mtim != r.Mtim && (typ != unix.S_IFDIR || p != ".") {
			add(p, "times %v and %v", l.Mtim, r.Mtim)
		}
		if typ == unix.S_IFBLK || typ == unix.S_IFCHR {
			if l.Rdev != r.Rdev {
				add(p, "devices %x and %x", l.Rdev, r.Rdev)
			}
		}
		if !without("nolinks") && leftLinks[p] != rightLinks[p] {
			add(p, "hard links to %q and %q", leftLinks[p], rightLinks[p])
		}
		if typ == unix.S_IFLNK {
			x, _ := os.Readlink(pa)
			y, _ := os.Readlink(pb)
			if x != y {
				add(p, "targets %q and %q", x, y)
			}
		}
		if typ == unix.S_IFREG {
			x, err := os.ReadFile(pa)
			if err != nil {
				return nil, err
			}
			y, err := os.ReadFile(pb)
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(x, y) {
				add(p, "contents differ, sizes %d and %d", len(x), len(y))
			}
			// A hole may be a block or two smaller.
			if !without("noholes") && l.Size > 1<<20 && (l.Blocks*512 < l.Size/2) != (r.Blocks*512 < r.Size/2) {
				add(p, "takes %d and %d blocks", l.Blocks, r.Blocks)
			}
		}
		if !without("nox") {
			x, err := treecopy.HostXattrs(pa, false)
			if err != nil {
				return nil, err
			}
			y, err := treecopy.HostXattrs(pb, false)
			if err != nil {
				return nil, err
			}
			if fmt.Sprintf("%q", x) != fmt.Sprintf("%q", y) {
				add(p, "attributes %q and %q", x, y)
			}
		}
	}
	for _, p := range sortedKeys(right) {
		if left[p] == nil {
			add(p, "only in the second")
		}
	}
	return diff, nil
}

func sortedKeys(m map[string]*unix.Stat_t) []string {
	var k []string
	for p := range m {
		k = append(k, p)
	}
	slices.Sort(k)
	return k
}

func readTree(root string, what []string) (map[string]*unix.Stat_t, error) {
	t := map[string]*unix.Stat_t{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		top, _, _ := strings.Cut(rel, "/")
		if slices.Contains(what, "-"+top) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		t[rel] = &st
		return nil
	})
	return t, err
}
