package unboot_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// ReadDirs returns what Entries does, directory by directory, errors included.
func TestReadDirs(t *testing.T) {
	for _, sorted := range []bool{false, true} {
		root := mount(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
		o := &unboot.WalkOptions{Links: true, Sorted: sorted}
		dirs := []string{"none", "contents/hello", "nodes/relative", "/abs", "a/../b"}
		for e, err := range root.Walk(".", nil) {
			if err != nil {
				t.Fatal(err)
			}
			if e.IsDir() {
				dirs = append(dirs, e.Path())
			}
		}
		lists, errs := root.ReadDirs(dirs, o)
		many := 0
		for i, dir := range dirs {
			if i < 5 {
				if errs[i] == nil || len(lists[i]) > 0 {
					t.Errorf("%s: %d entries, %v", dir, len(lists[i]), errs[i])
				}
				continue
			}
			want := map[string]*unboot.Entry{}
			for e, err := range root.Entries(dir, o) {
				if err != nil {
					t.Fatal(err)
				}
				want[e.Name()] = e
			}
			many = max(many, len(want))
			if errs[i] != nil || len(lists[i]) != len(want) {
				t.Errorf("%s: %d entries, %v; want %d", dir, len(lists[i]), errs[i], len(want))
			}
			for j := range lists[i] {
				e := &lists[i][j]
				if w := want[e.Name()]; w == nil || e.Path() != w.Path() || e.Link != w.Link || e.Stat.Ino != w.Stat.Ino {
					t.Errorf("%s: %+v, want %+v", dir, e, w)
				}
				if sorted && j > 0 && lists[i][j-1].Name() >= e.Name() {
					t.Errorf("%s: %q before %q", dir, lists[i][j-1].Name(), e.Name())
				}
			}
		}
		if many < 300 {
			t.Error("no directory is too large for one answer")
		}
		if lists, errs := root.ReadDirs(nil, nil); len(lists) != 0 || len(errs) != 0 {
			t.Error("something came of nothing")
		}
		root.Unmount()
		if _, errs := root.ReadDirs([]string{"."}, nil); !errors.Is(errs[0], fs.ErrClosed) {
			t.Errorf("after Unmount: %v", errs[0])
		}
	}
}

// A directory that goes in a circle has an end.
func TestReadDirsEndless(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	data, err := exec.Command("xz", "-dc", "../shared/cases/files/syzkaller-reiserfs-0093.img.xz").Output()
	if err != nil {
		t.Skip("no image of the kind: ", err)
	}
	if err := os.WriteFile(image, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f := mount(t, image)
	_, errs := f.ReadDirs([]string{"."}, nil)
	_, whole := f.ReadDir(".")
	dir := must(f.Open("."))
	defer dir.Close()
	_, rest := dir.(fs.ReadDirFile).ReadDir(-1)
	for way, err := range map[string]error{"ReadDirs": errs[0], "FS.ReadDir": whole, "File.ReadDir": rest} {
		if !errors.Is(err, unix.EUCLEAN) {
			t.Errorf("%s: %v", way, err)
		}
	}
}
