package unboot_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// A tree that is read from an image of each type is the one that was put into it.
func TestReadOddTree(t *testing.T) {
	for _, fstype := range testimg.Types() {
		if !testimg.Populates(fstype) {
			continue
		}
		t.Run(fstype, func(t *testing.T) {
			if fstype == "ufs2" {
				t.Skip("makefs puts the superblock where Linux does not look for it")
			}
			f := mount(t, testimg.FS(t, fstype, testimg.Options{Tree: true}))
			met := map[string]*unboot.Entry{}
			for e, err := range f.Walk(".", &unboot.WalkOptions{Links: true, Xattrs: true}) {
				if err != nil {
					t.Fatal(err)
				}
				if met[e.Path()] != nil {
					t.Errorf("%q was met twice", e.Path())
				}
				met[e.Path()] = e
			}
			nodes := testimg.TreeFor(fstype)
			failed := 0
			for i := range nodes {
				n := &nodes[i]
				e := met[n.Path]
				if e == nil {
					t.Errorf("%q was not met", n.Path)
					continue
				}
				for _, diff := range compare(f, e, n, met, fstype) {
					t.Errorf("%q: %s", n.Path, diff)
					failed++
				}
				if failed > 20 {
					t.Fatal("and so on")
				}
				delete(met, n.Path)
			}
			delete(met, ".")
			for p := range met {
				if p != "lost+found" && p != "rr_moved" {
					t.Errorf("%q was met and should not be there", p)
				}
			}
		})
	}
}

// kept says what a file system, or the tool that filled it, keeps of a file.
func kept(fstype string) (has struct{ modes, times bool }) {
	switch fstype {
	case "vfat", "fat12", "fat16", "fat32", "exfat", "joliet":
		has.times = true
	case "cramfs", "xfs":
		has.modes = true
	case "romfs":
	default:
		has.modes, has.times = true, true
	}
	return has
}

// compare returns how an entry differs from the node that it should be.
func compare(f *unboot.FS, e *unboot.Entry, n *testimg.Node, met map[string]*unboot.Entry, fstype string) (diffs []string) {
	differ := func(what string, got, want any) {
		if got != want {
			diffs = append(diffs, fmt.Sprintf("%s %v, want %v", what, got, want))
		}
	}
	has := kept(fstype)
	if n.LinkTo != "" {
		if fstype == "iso9660" {
			return nil // the kernel sees no links there
		}
		to, err := f.Lstat(n.LinkTo)
		differ("hard link", err == nil && to.(*unboot.Entry).Stat.Ino == e.Stat.Ino, true)
		return diffs
	}
	if has.modes {
		differ("mode", e.Mode(), n.Mode)
	} else {
		differ("type", e.Type(), n.Mode.Type())
	}
	if fstype != "f2fs" || n.UID < 1<<16 { // sload.f2fs cuts them off
		differ("uid", int(e.Stat.Uid), n.UID)
		differ("gid", int(e.Stat.Gid), n.GID)
	}
	if n.Mode&fs.ModeSymlink != 0 {
		differ("target", e.Link, n.Target)
		target, err := f.ReadLink(n.Path)
		differ("ReadLink", target, n.Target)
		differ("ReadLink", err, nil)
		return diffs
	}
	if has.times && (fstype != "joliet" || !n.Mode.IsDir()) { // mkisofs moves deep ones
		differ("mtime", e.ModTime().Unix(), n.Mtime.Unix())
	}
	if n.Mode&fs.ModeDevice != 0 && (fstype != "cramfs" || n.Major < 256 && n.Minor < 256) {
		differ("rdev", unix.Mkdev(e.Stat.Rdev_major, e.Stat.Rdev_minor), unix.Mkdev(n.Major, n.Minor))
	}
	if n.Mode.IsRegular() && n.Size < 64<<20 {
		data, err := f.ReadFile(n.Path)
		differ("ReadFile", err, nil)
		differ("content", bytes.Equal(data, n.Bytes()), true)
	}
	attrs, err := f.Xattrs(n.Path)
	differ("Xattrs", err, nil)
	for name, want := range n.Xattrs {
		differ(name, string(attrs[name]), want)
	}
	if len(n.Xattrs) > 0 && e.XattrSize <= 0 {
		differ("XattrSize", e.XattrSize, "more than 0")
	}
	return diffs
}

// The walk in order, the one in the order of the directories, ReadDir, and
// fs.WalkDir agree.
func TestWalkOrders(t *testing.T) {
	f := mount(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	var want []string
	err := fs.WalkDir(f, ".", func(p string, d fs.DirEntry, err error) error {
		want = append(want, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var sorted []string
	for e, err := range f.Walk(".", &unboot.WalkOptions{Sorted: true}) {
		if err != nil {
			t.Fatal(err)
		}
		sorted = append(sorted, e.Path())
	}
	if fmt.Sprint(sorted) != fmt.Sprint(want) {
		t.Errorf("sorted walk:\n%q\nfs.WalkDir:\n%q", sorted, want)
	}
	var first []string
	for range 3 {
		var order []string
		for e, err := range f.Walk(".", nil) {
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, e.Path())
		}
		if len(order) != len(want) {
			t.Errorf("%d entries, want %d", len(order), len(want))
		}
		if first == nil {
			first = order
		} else if fmt.Sprint(first) != fmt.Sprint(order) {
			t.Error("the order changes")
		}
	}
}

func TestWalkSkipAndBreak(t *testing.T) {
	f := mount(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	for _, sorted := range []bool{false, true} {
		o := &unboot.WalkOptions{Sorted: sorted}
		for e := range f.Walk(".", o) {
			if e.Path() != "." && e.IsDir() {
				e.SkipDir()
			}
			if bytes.ContainsRune([]byte(e.Path()), '/') {
				t.Errorf("%q is in a directory to be skipped", e.Path())
			}
		}
		n := 0
		for range f.Walk(".", o) {
			if n++; n == 40 {
				break
			}
		}
	}
	for e, err := range f.Walk("names/plain", nil) {
		if err != nil || e.Path() != "names/plain" {
			t.Errorf("%v, %v", e, err)
		}
	}
	for e, err := range f.Walk("none", nil) {
		if err == nil || e != nil {
			t.Errorf("%v, %v", e, err)
		}
	}
	// Nothing of all that keeps the file system busy.
	if err := f.Unmount(); err != nil {
		t.Error(err)
	}
}

func TestFSTest(t *testing.T) {
	for _, fstype := range []string{"ext4", "vfat", "squashfs", "xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			f := mount(t, testimg.FS(t, fstype, testimg.Options{Tree: true}))
			// Names that are not UTF-8 cannot be opened by fs.ValidPath.
			if err := fstest.TestFS(utf8Only{f}, "names/plain"); err != nil {
				t.Error(err)
			}
			sub, err := fs.Sub(f, "names")
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(utf8Only{sub.(*unboot.FS)}, "plain"); err != nil {
				t.Error(err)
			}
		})
	}
}
