package distro

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readTree describes everything in a tree of the host, by path. Times of before are kept; that
// something was written later is all that is said of others. Directories' times are left out:
// programs differ in when they make what they make.
func readTree(t *testing.T, root string, before time.Time) map[string]string {
	t.Helper()
	tree := map[string]string{}
	links := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		s := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			sum, err := sumFile(path)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" %d %s", st.Size, sum)
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" -> %q", target)
		case unix.S_IFCHR, unix.S_IFBLK:
			s += fmt.Sprintf(" %d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if st.Nlink > 1 {
				if first := links[st.Ino]; first != "" {
					s += " link to " + first
				} else {
					links[st.Ino] = name
				}
			}
			when := "later"
			if st.Mtim.Sec < before.Unix() {
				when = fmt.Sprintf("%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
			}
			s += " " + when
		}
		x, err := xattrs(path)
		if err != nil {
			return err
		}
		tree[name] = s + x
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// xattrs shows the extended attributes of a file, in order.
func xattrs(path string) (string, error) {
	n, err := unix.Llistxattr(path, nil)
	if err != nil || n == 0 {
		return "", err
	}
	buf := make([]byte, n)
	if n, err = unix.Llistxattr(path, buf); err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	var s strings.Builder
	for _, name := range names {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&s, " %s=%q", name, value[:n])
	}
	return s.String(), nil
}

// difference is a path at which two trees are not the same.
type difference struct{ path, ours, theirs string }

func compareTrees(ours, theirs map[string]string) (list []difference) {
	all := maps.Clone(ours)
	maps.Copy(all, theirs)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if ours[path] != theirs[path] {
			list = append(list, difference{path, ours[path], theirs[path]})
		}
	}
	return list
}

// judgeTrees reports where two trees differ, other than for a reason that is given for the path,
// or for a directory above it, and other than what free says.
func judgeTrees(t *testing.T, ours, theirs, reasons map[string]string, free func(path string) bool) {
	t.Helper()
	for _, d := range compareTrees(ours, theirs) {
		reason := reasons[d.path]
		for p := path.Dir(d.path); reason == "" && p != "/"; p = path.Dir(p) {
			reason = reasons[p+"/"]
		}
		switch {
		case free != nil && free(d.path):
		case reason != "":
			t.Logf("tree: %s: %s", d.path, reason)
		default:
			t.Errorf("tree: %s\n ours   %s\n theirs %s", d.path, d.ours, d.theirs)
		}
	}
}
