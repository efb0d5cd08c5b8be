package md_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/md"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
	mdvol "github.com/unboot/unboot/volume/md"
	"github.com/unboot/unboot/volume/md/mdtest"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// disks are the files of an array as the disks of a kernel.
type disks struct {
	k       *lkl.Kernel
	members []*volume.Member
	names   map[volume.Base]string
}

// attach attaches files, with overlays in memory or for writing.
func attach(t *testing.T, k *lkl.Kernel, paths []string, overlay bool) *disks {
	t.Helper()
	d := &disks{k: k, names: map[volume.Base]string{}}
	for _, p := range paths {
		var name string
		if overlay {
			var err error
			if name, err = rig.AttachOverlay(k, p, 0); err != nil {
				t.Fatal(err)
			}
		} else {
			name = rig.Attach(t, k, p)
		}
		f := rig.Open(t, p, os.O_RDONLY)
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		m := &volume.Member{R: f, Size: info.Size(), SectorSize: 512, Name: "/dev/" + name, Disk: true}
		d.members = append(d.members, m)
		d.names[m] = name
	}
	return d
}

// dev returns the numbers of a member's disk.
func (d *disks) dev(b volume.Base) string {
	text, _ := d.k.ReadFile("/sys/block/"+d.names[b]+"/dev", 64)
	return strings.TrimSpace(string(text))
}

func (d *disks) detach(t *testing.T) {
	t.Helper()
	for _, name := range d.names {
		if err := d.k.DetachDisk(name); err != nil {
			t.Error(err)
		}
	}
}

// plan returns the array of some of the disks.
func (d *disks) plan(t *testing.T, env *volume.Env, without ...int) *volume.Volume {
	t.Helper()
	var list []*volume.Member
	for i, m := range d.members {
		if !slices.Contains(without, i) {
			list = append(list, m)
		}
	}
	volumes := mdvol.Type.Open(context.Background(), list, env)
	if len(volumes) != 1 || volumes[0].Array == nil {
		t.Fatalf("no array: %+v, %+v", volumes, list[0])
	}
	return volumes[0]
}

// assemble starts an array, compares its size with that of the plan, and opens it.
func (d *disks) assemble(t *testing.T, v *volume.Volume, readOnly bool) (fd int, stop func()) {
	t.Helper()
	node, err := md.Assemble(d.k, 127, v.Array, d.dev, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	flags := unix.O_RDWR
	if readOnly {
		flags = unix.O_RDONLY
	}
	fd, err = d.k.Open(node, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := d.k.Seek(fd, 0, unix.SEEK_END); err != nil || size != v.Size {
		t.Errorf("the array has %d bytes, the plan %d: %v", size, v.Size, err)
	}
	return fd, func() {
		t.Helper()
		if err := d.k.CloseFd(fd); err != nil {
			t.Error(err)
		}
		if err := md.Stop(d.k, 127); err != nil {
			t.Error(err)
		}
	}
}

func read(t *testing.T, k *lkl.Kernel, fd int, n int64) []byte {
	t.Helper()
	b := make([]byte, n)
	for done := 0; done < len(b); {
		got, err := k.Pread(fd, b[done:], int64(done))
		if err != nil || got == 0 {
			t.Fatalf("read at %d: %d, %v", done, got, err)
		}
		done += got
	}
	return b
}

func fill(t *testing.T, k *lkl.Kernel, fd int, data []byte) {
	t.Helper()
	for done := 0; done < len(data); {
		n, err := k.Pwrite(fd, data[done:], int64(done))
		if err != nil {
			t.Fatalf("write at %d: %v", done, err)
		}
		done += n
	}
	if err := k.Fsync(fd); err != nil {
		t.Fatal(err)
	}
}

// shapes are arrays of every level and layout. Each is to be read with any of its members
// missing, and those of the last field with several.
var shapes = []struct {
	name string
	spec mdtest.Spec
	gone [][]int
}{
	{"linear", mdtest.Spec{Level: -1, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib, 6 * mib, 5 * mib}}, nil},
	{"raid0", mdtest.Spec{Level: 0, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, nil},
	{"raid0 original", mdtest.Spec{Level: 0, Layout: 1, Features: 0x1000, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib, 6 * mib}}, nil},
	{"raid0 alternate", mdtest.Spec{Level: 0, Layout: 2, Features: 0x1000, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib, 6 * mib}}, nil},
	{"raid1", mdtest.Spec{Level: 1, Disks: 3, Sizes: []int64{5 * mib}}, [][]int{{0}, {1}, {2}, {0, 1}, {1, 2}}},
	{"raid4", mdtest.Spec{Level: 4, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid5 la", mdtest.Spec{Level: 5, Layout: 0, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid5 ra", mdtest.Spec{Level: 5, Layout: 1, Chunk: 4 * kib, Disks: 4, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}, {3}}},
	{"raid5 ls", mdtest.Spec{Level: 5, Layout: 2, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib, 6 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid5 rs", mdtest.Spec{Level: 5, Layout: 3, Chunk: 512 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid5 parity first", mdtest.Spec{Level: 5, Layout: 4, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid5 parity last", mdtest.Spec{Level: 5, Layout: 5, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid6 ls", mdtest.Spec{Level: 6, Layout: 2, Chunk: 64 * kib, Disks: 5, Sizes: []int64{4 * mib}}, [][]int{{0}, {4}, {0, 1}, {1, 3}, {3, 4}}},
	{"raid6 ddf", mdtest.Spec{Level: 6, Layout: 10, Chunk: 64 * kib, Disks: 4, Sizes: []int64{4 * mib}}, [][]int{{0}, {0, 1}, {1, 3}, {2, 3}}},
	{"raid6 ls-6", mdtest.Spec{Level: 6, Layout: 18, Chunk: 64 * kib, Disks: 4, Sizes: []int64{4 * mib}}, [][]int{{1}, {0, 1}, {1, 3}, {2, 3}}},
	{"raid10 near 2", mdtest.Spec{Level: 10, Layout: 0x102, Chunk: 64 * kib, Disks: 4, Sizes: []int64{4 * mib}}, [][]int{{0}, {0, 2}, {1, 3}}},
	{"raid10 near 2 of 3", mdtest.Spec{Level: 10, Layout: 0x102, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
	{"raid10 near 3 of 5", mdtest.Spec{Level: 10, Layout: 0x103, Chunk: 64 * kib, Disks: 5, Sizes: []int64{4 * mib}}, [][]int{{0, 1}, {3, 4}}},
	{"raid10 far 2", mdtest.Spec{Level: 10, Layout: 0x201, Chunk: 64 * kib, Disks: 4, Sizes: []int64{4 * mib}}, [][]int{{0}, {0, 2}}},
	{"raid10 offset 2", mdtest.Spec{Level: 10, Layout: 0x10201, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}}, [][]int{{0}, {1}, {2}}},
}

// TestShapes has the kernel make arrays of every shape by writing to blank members, and reads
// each with members missing. What the kernel has written is as mdadm says, too. Of the other
// versions of superblocks, which hold the same, it takes some.
func TestShapes(t *testing.T) {
	for i, c := range shapes {
		for _, version := range []string{"1.2", "0.90", "1.0", "1.1"} {
			first := i == 0 || shapes[i-1].spec.Level != c.spec.Level
			switch {
			case c.spec.Features != 0 && version == "0.90":
				continue
			case version == "1.2" || testimg.Thorough():
			case !first || version != "0.90" && c.spec.Level != 5:
				continue
			}
			t.Run(c.name+" "+version, func(t *testing.T) {
				s := c.spec
				s.Version, s.Name = version, "host:"+c.name
				paths := mdtest.Create(t, s)
				data := written(t, paths)
				agree(t, paths)
				readAll(t, paths, data, c.gone)
			})
		}
	}
}

// written fills an array and returns what it holds.
func written(t *testing.T, paths []string) []byte {
	k := rig.Boot(t, &lkl.Config{})
	d := attach(t, k, paths, false)
	v := d.plan(t, nil)
	fd, stop := d.assemble(t, v, false)
	data := testimg.Pattern(int(v.Size), 42)
	fill(t, k, fd, data)
	stop()
	d.detach(t)
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	return data
}

// readAll reads the whole array, with all its members and without some of them, by the
// superblocks and by a plan that says all that they do. Then it writes to the array, where
// an overlay takes that.
func readAll(t *testing.T, paths []string, data []byte, without [][]int) {
	t.Helper()
	for _, p := range paths {
		defer rig.Unchanged(t, p)()
	}
	k := rig.Boot(t, &lkl.Config{})
	d := attach(t, k, paths, true)
	for i, gone := range append([][]int{nil}, without...) {
		v := d.plan(t, nil, gone...)
		for _, described := range []bool{false, true} {
			if described {
				v.Array.Major, v.Array.Minor = -1, -1
			}
			fd, stop := d.assemble(t, v, i%2 == 0)
			if !bytes.Equal(read(t, k, fd, v.Size), data) {
				t.Errorf("other data without %v, described: %v", gone, described)
			}
			stop()
		}
	}
	fd, stop := d.assemble(t, d.plan(t, nil), false)
	fill(t, k, fd, []byte("changed"))
	stop()
	d.detach(t)
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

// agree compares what we read of each member with what mdadm prints.
func agree(t *testing.T, paths []string) {
	t.Helper()
	for _, p := range paths {
		f := rig.Open(t, p, os.O_RDONLY)
		info, _ := f.Stat()
		sb, err := mdvol.Read(f, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		said := examine(t, p)
		state := "active"
		if sb.Clean() {
			state = "clean"
		}
		for field, want := range map[string]string{
			"Magic": "a92b4efc", "Events": fmt.Sprint(sb.Events), "State": state, "Raid Level": mdvol.LevelName(sb.Level),
			"Raid Devices": fmt.Sprint(sb.RaidDisks),
		} {
			if said[field] != want {
				t.Errorf("%s: %s %q, mdadm says %q", p, field, want, said[field])
			}
		}
		if uuid := said["Array UUID"] + said["UUID"]; uuid != sb.UUID.String() {
			t.Errorf("%s: UUID %v, mdadm says %q", p, sb.UUID, uuid)
		}
		if !strings.HasSuffix(said["Checksum"], "correct") {
			t.Errorf("%s: checksum %s", p, said["Checksum"])
		}
		if layout := mdvol.LayoutName(sb.Level, sb.Layout); layout != said["Layout"] && said["Layout"] != "-unknown-" {
			t.Errorf("%s: layout %q, mdadm says %q", p, layout, said["Layout"])
		}
	}
}

// examine returns the fields of `mdadm --examine`, which needs a block device.
func examine(t *testing.T, path string) map[string]string {
	t.Helper()
	testimg.Need(t, "mdadm", "losetup")
	testimg.NeedRoot(t)
	dev := strings.TrimSpace(testimg.MustRun(t, "losetup", "--find", "--show", "--read-only", path))
	defer testimg.MustRun(t, "losetup", "--detach", dev)
	fields := map[string]string{}
	for line := range strings.Lines(testimg.MustRun(t, "mdadm", "--examine", dev)) {
		name, value, _ := strings.Cut(line, " : ")
		fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return fields
}

// TestNothingWritten is that an array on writable images is not written to before somebody
// writes to it, whatever state it is in.
func TestNothingWritten(t *testing.T) {
	for _, s := range []mdtest.Spec{
		{Version: "1.2", Level: 1, Disks: 2},
		{Version: "1.2", Level: 1, Disks: 2, Dirty: true},
		{Version: "0.90", Level: 5, Layout: 2, Chunk: 64 * kib, Disks: 3, Dirty: true},
		{Version: "1.2", Level: 5, Layout: 2, Chunk: 64 * kib, Disks: 3, Dirty: true, Bitmap: 64 * kib},
		{Version: "1.2", Level: 1, Disks: 2, Bitmap: 64 * kib},
		{Version: "1.2", Level: 1, Disks: 2, Missing: []int{1}, Spares: 1},
		{Version: "1.2", Level: 10, Layout: 0x102, Chunk: 64 * kib, Disks: 2, Dirty: true},
		{Version: "1.2", Level: 0, Chunk: 64 * kib, Disks: 2},
	} {
		t.Run(fmt.Sprintf("%s raid%d dirty=%v bitmap=%d spares=%d", s.Version, s.Level, s.Dirty, s.Bitmap, s.Spares), func(t *testing.T) {
			s.Sizes = []int64{4 * mib}
			paths := mdtest.Create(t, s)
			k := rig.Boot(t, &lkl.Config{})
			d := attach(t, k, paths, false)
			var checks []func()
			for _, p := range paths {
				checks = append(checks, unchanged(t, p, s.Bitmap != 0))
			}
			v := d.plan(t, nil, s.Missing...)
			fd, stop := d.assemble(t, v, false)
			read(t, k, fd, v.Size)
			stop()
			for _, check := range checks {
				check()
			}
			if t.Failed() {
				t.Log(k.Dmesg())
			}

			// And written to, an array is as dirty afterwards as it was before.
			fd, stop = d.assemble(t, v, false)
			fill(t, k, fd, []byte("changed"))
			stop()
			agree(t, paths[:1])
			if got := examine(t, paths[0])["State"]; (got == "clean") == (s.Dirty && s.Level > 0) {
				t.Errorf("afterwards it is %s", got)
			}
		})
	}
}

// unchanged is rig.Unchanged. The superblock of a bitmap is written when an array is
// assembled, even if it is read-only; that of a blank one has what it has had before.
func unchanged(t *testing.T, path string, bitmap bool) func() {
	if !bitmap {
		return rig.Unchanged(t, path)
	}
	before, err := rig.Sum(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if after, err := rig.Sum(path); err != nil || after != before {
			t.Errorf("%s has changed: %v", path, err)
		}
	}
}

// TestRefused has the kernel's own words in the error.
func TestRefused(t *testing.T) {
	paths := mdtest.Create(t, mdtest.Spec{Version: "1.2", Level: 5, Layout: 2, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}, Dirty: true})
	k := rig.Boot(t, &lkl.Config{})
	d := attach(t, k, paths, true)
	v := d.plan(t, &volume.Env{ForceDirty: true}, 1)
	v.Array.Dirty = false
	_, err := md.Assemble(k, 127, v.Array, d.dev, true)
	if err == nil || !strings.Contains(err.Error(), "failed to run raid set") || !errors.Is(err, unix.EIO) {
		t.Errorf("error: %v", err)
	}
	v.Array.Dirty = true
	_, stop := d.assemble(t, v, false)
	if err := md.Stop(k, 127); !errors.Is(err, unix.EBUSY) {
		t.Errorf("stopped while it is open: %v", err)
	}
	stop()
	if _, err := md.Assemble(k, -1, v.Array, d.dev, true); !errors.Is(err, unix.EINVAL) {
		t.Errorf("number -1: %v", err)
	}
	d.detach(t)
}
