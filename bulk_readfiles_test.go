package unboot_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// ReadFiles returns what ReadFile does, file by file, errors included.
func TestReadFiles(t *testing.T) {
	img, err := unboot.Open(context.Background(), testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	root, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	var files []*unboot.Entry
	for e, err := range root.Walk(".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Mode().IsRegular() && e.Size() < 2<<20 {
			files = append(files, e)
		}
	}
	// One in the middle that is not there, and one whose size is wrong.
	gone := *files[50]
	other, err := root.Lstat("nodes/relative")
	if err != nil {
		t.Fatal(err)
	}
	wrong := *files[70]
	wrong.Stat.Size += 5
	files = append(files[:50:50], append([]*unboot.Entry{other.(*unboot.Entry), &gone, &wrong}, files[50:]...)...)

	data, errs := root.ReadFiles(files)
	for i, e := range files {
		want, werr := root.ReadFile(e.Path())
		if !bytes.Equal(data[i], want) || (errs[i] == nil) != (werr == nil) {
			t.Errorf("%q: %d bytes, %v; ReadFile says %d bytes, %v", e.Path(), len(data[i]), errs[i], len(want), werr)
		}
	}
	if data, errs := root.ReadFiles(nil); len(data) != 0 || len(errs) != 0 {
		t.Error("something came of nothing")
	}
	root.Unmount()
	if _, errs := root.ReadFiles(files[:3]); !errors.Is(errs[0], fs.ErrClosed) {
		t.Errorf("after Unmount: %v", errs[0])
	}
}
