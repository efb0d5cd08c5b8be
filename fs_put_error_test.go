package unboot_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// Put and SetMetadata say which call has failed, so that a full disk is not taken for
// an attribute that is refused.
func TestCallError(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 8 << 20}))
	img, err := unboot.Open(context.Background(), path, unboot.Writable())
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	root, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	full := unboot.Metadata{
		Mode: 0o4755, UID: 1, GID: 1, Atime: now, Mtime: now,
		Xattrs: map[string][]byte{"security.selinux": []byte("x"), "user.a": []byte("b")},
	}
	with := func(name string, value []byte) *unboot.Metadata {
		m := full
		m.Xattrs = map[string][]byte{"security.selinux": []byte("x"), "user.a": []byte("b"), name: value}
		return &m
	}
	small, large := []byte("data"), bytes.Repeat([]byte("data"), 100000)
	dir, link := full, full
	dir.Mode, link.Mode, link.Link = fs.ModeDir|0o755, fs.ModeSymlink|0o777, "x"
	link.Xattrs = map[string][]byte{"trusted.ok": nil, "user.a": []byte("b")}
	dir.Xattrs = map[string][]byte{"com.apple.x": []byte("1"), "user.z": nil}
	for _, c := range []struct {
		name, call, attr string
		m                *unboot.Metadata
		data             []byte
		want             error
	}{
		{"good", "", "", &full, large, nil},
		{"unknown", "setxattr", "com.apple.provenance", with("com.apple.provenance", []byte("1")), small, unix.EOPNOTSUPP},
		{"unknown-large", "setxattr", "com.apple.provenance", with("com.apple.provenance", []byte("1")), large, unix.EOPNOTSUPP},
		{"no-room", "setxattr", "user.mid", with("user.mid", make([]byte, 6000)), small, unix.ENOSPC},
		{"too-large", "setxattr", "user.too", with("user.too", make([]byte, 70000)), nil, unix.E2BIG},
		{"dir", "setxattr", "com.apple.x", &dir, nil, unix.EOPNOTSUPP},
		{"link", "setxattr", "user.a", &link, nil, unix.EPERM},
		{"link/below", "", "", &full, small, fs.ErrNotExist},
	} {
		err := root.Put(c.name, c.m, bytes.NewReader(c.data))
		checkCall(t, "Put "+c.name, err, c.call, c.attr, c.want)
		if c.call == "" || c.m.Mode.Type() != 0 {
			continue
		}
		file := &unboot.NewFile{Name: c.name, Metadata: *c.m, Data: c.data}
		other := &unboot.NewFile{Name: c.name + "2", Metadata: full, Data: small}
		errs := root.PutFiles([]*unboot.NewFile{other, file})
		checkCall(t, "PutFiles "+c.name, errs[1], c.call, c.attr, c.want)
		checkCall(t, "PutFiles "+other.Name, errs[0], "", "", nil)
		checkCall(t, "SetMetadata "+c.name, root.SetMetadata("good", c.m), c.call, c.attr, c.want)
	}
	checkCall(t, "SetMetadata nowhere", root.SetMetadata("nowhere", &full), "", "", fs.ErrNotExist)
	// A full disk.
	for i := 0; err == nil; i++ {
		err = root.Put("fill"+string(rune('a'+i)), &full, bytes.NewReader(make([]byte, 250<<10)))
	}
	checkCall(t, "full", err, "write", "", unix.ENOSPC)
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	testimg.Fsck(t, "ext4", path)
}

func checkCall(t *testing.T, what string, err error, call, attr string, want error) {
	t.Helper()
	var ce *unboot.CallError
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	} else if errors.As(err, &ce) != (call != "") {
		t.Errorf("%s: %v has a CallError: %v", what, err, ce)
	} else if ce != nil && (ce.Call != call || ce.Attr != attr || ce.Err != want) {
		t.Errorf("%s: %+v, want %s of %q", what, *ce, call, attr)
	}
}
