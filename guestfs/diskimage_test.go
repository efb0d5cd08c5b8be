package guestfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

func TestDiskCreateRaw(t *testing.T) {
	g := create(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "raw")
	check(t, g.Disk_create(name, "raw", 5<<20, nil))
	st, err := os.Stat(name)
	check(t, err)
	if sys := st.Sys().(*syscall.Stat_t); st.Size() != 5<<20 || sys.Blocks != 0 {
		t.Errorf("%d bytes, %d blocks", st.Size(), sys.Blocks)
	}
	check(t, g.Disk_create(name, "raw", 1<<20, &OptargsDisk_create{Preallocation_is_set: true, Preallocation: "full"}))
	st, err = os.Stat(name)
	check(t, err)
	if sys := st.Sys().(*syscall.Stat_t); st.Size() != 1<<20 || sys.Blocks < 1<<11 {
		t.Errorf("%d bytes, %d blocks", st.Size(), sys.Blocks)
	}
	if n := must[int64](t)(g.Disk_virtual_size(name)); n != 1<<20 {
		t.Error(n)
	}
	if s := must[string](t)(g.Disk_format(name)); s != "raw" {
		t.Error(s)
	}
	if b := must[bool](t)(g.Disk_has_backing_file(name)); b {
		t.Error("raw on something")
	}
	for what, err := range map[string]error{
		"format":   g.Disk_create(name, "vmdk", 1<<20, nil),
		"size":     g.Disk_create(name, "raw", -1, nil),
		"backing":  g.Disk_create(name, "raw", 1, &OptargsDisk_create{Backingfile_is_set: true, Backingfile: name}),
		"compat":   g.Disk_create(name, "raw", 1, &OptargsDisk_create{Compat_is_set: true, Compat: "1.1"}),
		"prealloc": g.Disk_create(name, "raw", 1, &OptargsDisk_create{Preallocation_is_set: true, Preallocation: "x"}),
		"cluster":  g.Disk_create(name, "qcow2", 1, &OptargsDisk_create{Clustersize_is_set: true, Clustersize: 1000}),
		"nowhere":  g.Disk_create(dir+"/none/x", "raw", 1, nil),
		"no disk":  func() error { _, err := g.Disk_format(dir + "/none"); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if _, err := g.Disk_virtual_size(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestDiskQcow2(t *testing.T) {
	testimg.Need(t, "qemu-img")
	g := create(t)
	dir := t.TempDir()
	base, top, vmdk := filepath.Join(dir, "base"), filepath.Join(dir, "t,op"), filepath.Join(dir, "vmdk")
	check(t, g.Disk_create(base, "qcow2", 3<<20, &OptargsDisk_create{
		Clustersize_is_set: true, Clustersize: 4096, Preallocation_is_set: true, Preallocation: "metadata",
		Compat_is_set: true, Compat: "0.10",
	}))
	check(t, g.Disk_create(top, "qcow2", -1, &OptargsDisk_create{
		Backingfile_is_set: true, Backingfile: base, Backingformat_is_set: true, Backingformat: "qcow2",
	}))
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vmdk", vmdk, "7M")
	for name, want := range map[string]struct {
		format string
		size   int64
		backed bool
	}{
		base: {"qcow2", 3 << 20, false},
		top:  {"qcow2", 3 << 20, true},
		vmdk: {"vmdk", 7 << 20, false},
	} {
		format := must[string](t)(g.Disk_format(name))
		size := must[int64](t)(g.Disk_virtual_size(name))
		backed := must[bool](t)(g.Disk_has_backing_file(name))
		if format != want.format || size != want.size || backed != want.backed {
			t.Errorf("%s: %s, %d, %t", name, format, size, backed)
		}
	}
	out := testimg.MustRun(t, "qemu-img", "info", base)
	if !strings.Contains(out, "cluster_size: 4096") || !strings.Contains(out, "compat: 0.10") {
		t.Error(out)
	}
	testimg.MustRun(t, "qemu-img", "check", top)
}
