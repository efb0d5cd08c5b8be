package unboot_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// TestMountLoop mounts what is in a file of an image: for writing, and of an image that
// must not change, for reading.
func TestMountLoop(t *testing.T) {
	outer := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	inner, err := os.ReadFile(testimg.FS(t, "ext2", testimg.Options{Size: 4 << 20}))
	if err != nil {
		t.Fatal(err)
	}
	img := open(t, outer, unboot.Writable())
	f, err := img.Mount("/dev/sda")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.WriteFile("inner.img", inner, 0o644), f.MkdirAll("loop", 0o755), f.WriteFile("text", []byte("text"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]error{"nothing": fs.ErrNotExist, "text": unboot.ErrNoFileSystem, "loop": unix.EISDIR, "../x": fs.ErrInvalid} {
		if err := f.MountLoop(file, "loop"); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", file, err, want)
		}
	}
	if err := f.MountLoop("inner.img", "loop"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.WriteFile("loop/new", []byte("new"), 0o644), f.Unmount(), img.Close()); err != nil {
		t.Fatal(err)
	}
	img = open(t, outer)
	if f, err = img.Mount("/dev/sda"); err != nil {
		t.Fatal(err)
	}
	if err := f.MountLoop("inner.img", "loop"); err != nil {
		t.Fatal(err)
	}
	if text, err := f.ReadFile("loop/new"); string(text) != "new" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if err := f.WriteFile("loop/x", nil, 0o644); err == nil {
		t.Errorf("written to a read-only image: %v", err)
	}
	if m := f.Mounts(); len(m) != 2 || m[1].Device != "/dev/loop0" || !m[1].ReadOnly {
		t.Errorf("mounts %+v", m)
	}
	if err := f.Unmount(); err != nil {
		t.Error(err)
	}
}

// Several goroutines attach files at once: each gets a device of its own.
func TestMountLoopAtOnce(t *testing.T) {
	outer := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 64 << 20, Tree: true}))
	inner := must(os.ReadFile(testimg.FS(t, "ext2", testimg.Options{Size: 4 << 20})))
	img := open(t, outer, unboot.Writable())
	f := must(img.Mount("/dev/sda"))
	const n = 6
	for i := range n {
		if err := errors.Join(f.WriteFile(fmt.Sprint("file", i), inner, 0o644), f.Mkdir(fmt.Sprint("dir", i), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := f.MountLoop(fmt.Sprint("file", i), fmt.Sprint("dir", i)); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
	if list := img.Devices()[0].Children(); len(list) != n {
		t.Errorf("%v lie on the disk", list)
	}
	if err := f.Unmount(); err != nil {
		t.Error(err)
	}
	if list := img.Devices(); len(list) != 1 {
		t.Errorf("%v are left", list)
	}
}
