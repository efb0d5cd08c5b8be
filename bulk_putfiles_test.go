package unboot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// PutFiles makes what it was given, even where some fail and others are
// in the way.
func TestPutFiles(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	img, err := unboot.Open(context.Background(), path, unboot.Writable())
	if err != nil {
		t.Fatal(err)
	}
	root, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	if err := root.WriteFile("f17", []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := root.MkdirAll("f23/x", 0o755); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1e9, 123000000)
	var files []*unboot.NewFile
	for i := range 200 {
		files = append(files, &unboot.NewFile{
			Name:     fmt.Sprintf("f%d", i),
			Metadata: unboot.Metadata{Mode: 0o640 | fs.FileMode(i%2)*fs.ModeSetuid, UID: i, GID: 7, Mtime: when, Atime: when},
			Data:     testimg.Pattern(i*i%9000, uint64(i)),
		})
	}
	files[3].Xattrs = map[string][]byte{"user.a": []byte("b"), "security.capability": make([]byte, 3)} // no such capability
	files[31].Name = "nowhere/f31"
	files[40].Xattrs = map[string][]byte{"user.a": []byte("b")}
	files[55].Name = "../x"
	errs := root.PutFiles(files)
	for i, n := range files {
		want := map[int]error{3: unix.EINVAL, 23: unix.ENOTEMPTY, 31: fs.ErrNotExist, 55: fs.ErrInvalid}[i]
		if !errors.Is(errs[i], want) {
			t.Errorf("%s: %v, want %v", n.Name, errs[i], want)
		}
		if want != nil {
			continue
		}
		data, err := root.ReadFile(n.Name)
		m, merr := root.Metadata(n.Name)
		if err != nil || merr != nil || !bytes.Equal(data, n.Data) || m.Mode != n.Mode || m.UID != i || m.GID != 7 || !m.Mtime.Equal(when) {
			t.Errorf("%s: %v %v, %d bytes, %+v", n.Name, err, merr, len(data), m)
		}
	}
	if _, err := root.Lstat("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an invalid path made a file: %v", err)
	}
	if v, err := root.Getxattr("f40", "user.a"); string(v) != "b" {
		t.Errorf("%q, %v", v, err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	testimg.Fsck(t, "ext4", path)
	if err := root.PutFiles(files[:4])[0]; err == nil {
		t.Error("no error after Close")
	}
}
