package unboot_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// TestSubvolumes makes and deletes subvolumes, and compares what there is with the host's
// btrfs.
func TestSubvolumes(t *testing.T) {
	image := hostBtrfs(t, "btrfs subvolume create old >/dev/null; mkdir dir; echo x >old/file")
	img, f := openWritable(t, image, "")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(f.CreateSubvolume("dir/new"))
	must(f.CreateSubvolume("dir/new/inner"))
	must(f.SnapshotSubvolume("old", "dir/snap", true))
	must(f.SnapshotSubvolume("old", "writable", false))
	must(f.CreateSubvolume("gone"))
	must(f.DeleteSubvolume("gone"))
	must(f.SetSubvolumeReadOnly("writable", true))
	must(f.SetDefaultSubvolume("old"))
	for _, c := range []struct {
		err, want error
	}{
		{f.CreateSubvolume("dir"), unix.EEXIST},
		{f.DeleteSubvolume("dir"), unix.EINVAL},
		{f.DeleteSubvolume("dir/new"), unix.ENOTEMPTY},
		{f.DeleteSubvolume("."), unix.EBUSY},
		{f.DeleteSubvolume("nothing"), unix.ENOENT},
		{f.SnapshotSubvolume("dir", "x", false), unix.EINVAL},
		{f.SnapshotSubvolume("nothing", "x", false), unix.ENOENT},
		{f.SetDefaultSubvolume("dir"), unix.EINVAL},
		{f.WriteFile("dir/snap/file", nil, 0o644), unix.EROFS},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%v, want %v", c.err, c.want)
		}
	}
	list, err := f.Subvolumes("dir")
	must(err)
	v, err := f.Subvolume("dir/new/inner")
	if err != nil || v.Path != "dir/new/inner" || v.ReadOnly {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err = f.Subvolume("."); err != nil || v.ID != 5 || v.Path != "" || v.Default {
		t.Errorf("%+v, %v", v, err)
	}
	must(img.Close())
	testimg.Fsck(t, "btrfs", image)
	lines := strings.Split(strings.TrimSpace(onHost(t, image, "ro,subvolid=5", "btrfs subvolume list -puqRc .; btrfs subvolume get-default .")), "\n")
	if len(list) != 5 || len(lines) != 6 {
		t.Fatalf("%+v\n%s", list, lines)
	}
	none := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for i, v := range list {
		// ID 257 gen 8 cgen 8 parent 5 top level 5 parent_uuid … received_uuid … uuid … path …
		w := strings.Fields(lines[i])
		if w[len(w)-1] != v.Path || w[len(w)-3] != v.UUID || w[len(w)-5] != none(v.ReceivedUUID) || w[len(w)-7] != none(v.ParentUUID) {
			t.Errorf("%+v, the host has\n%s", v, lines[i])
		}
		if v.Default != (v.Path == "old") || v.ReadOnly != (v.Path == "dir/snap" || v.Path == "writable") {
			t.Errorf("%+v", v)
		}
	}
	if !strings.HasSuffix(lines[5], "path old") {
		t.Errorf("the default is %s", lines[5])
	}
}

// Other file systems have no subvolumes.
func TestNoSubvolumes(t *testing.T) {
	img, err := unboot.Open(t.Context(), testimg.FS(t, "ext4", testimg.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Subvolumes("."); !errors.Is(err, unix.ENOTTY) {
		t.Error(err)
	}
}
