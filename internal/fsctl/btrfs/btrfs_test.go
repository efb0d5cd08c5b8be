package btrfs_test

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// TestSubvolumes compares the subvolumes with those that the program btrfs(8) reads from
// the same disk, without a kernel.
func TestSubvolumes(t *testing.T) {
	testimg.Need(t, "btrfs")
	image := testguest.Fedora(t, nil)
	testguest.Snapshot(t, image)
	img, err := unboot.Open(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	i := slices.IndexFunc(img.Devices(), func(d *unboot.Device) bool { return d.Content != nil && d.Content.Type == "btrfs" })
	d := img.Devices()[i]
	f, err := img.Mount(d.Name, unboot.Data("subvolid=5"))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := f.View().Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.View().Kernel().CloseFd(fd)
	fs := btrfs.FS{View: f.View(), FD: fd}
	list, err := fs.Subvolumes()
	if err != nil {
		t.Fatal(err)
	}
	roots, err := fs.Roots()
	if err != nil {
		t.Fatal(err)
	}
	if def, err := fs.Default(); err != nil || def != btrfs.TopLevel {
		t.Errorf("default %d, %v", def, err)
	}
	dump := hostDump(t, image, d)
	if len(list) < 3 || len(list) != strings.Count(dump, " ROOT_BACKREF ") {
		t.Errorf("%d subvolumes: %+v", len(list), list)
	}
	snapshots := 0
	for _, v := range list {
		if f.View().Statx(unix.AT_FDCWD, "/"+v.Path, 0, unix.STATX_INO, new(unix.Statx_t)) != nil {
			t.Errorf("%s is not there", v.Path)
		}
		r := roots[v.ID]
		if !strings.Contains(dump, "uuid "+r.UUID.String()+"\n") || !strings.Contains(dump, "key ("+strconv.FormatUint(v.ID, 10)+" ROOT_BACKREF ") {
			t.Errorf("%+v, %s", v, r.UUID)
		}
		if p := r.ParentUUID.String(); p != "" {
			snapshots++
			if !strings.Contains(dump, "parent_uuid "+p+"\n") {
				t.Errorf("%s is a snapshot of %s", v.Path, p)
			}
		}
	}
	if snapshots != 1 {
		t.Errorf("%d snapshots", snapshots)
	}
}

// hostDump is the tree of roots as the host's btrfs prints it.
func hostDump(t *testing.T, image string, d *unboot.Device) string {
	t.Helper()
	part := t.TempDir() + "/part"
	dd := exec.Command("dd", "if="+image, "of="+part, "bs=512", "conv=sparse", "status=none",
		"skip="+strconv.FormatInt(d.Partition.Start/512, 10), "count="+strconv.FormatInt(d.Size/512, 10))
	if out, err := dd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("btrfs", "inspect-internal", "dump-tree", "-t", "root", part).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
