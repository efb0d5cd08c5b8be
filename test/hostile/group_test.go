package hostile

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
)

// group writes a group on one disk of its own, and returns that.
func group(t *testing.T, g testvol.LVMGroup) string {
	t.Helper()
	path := filepath.Join(memory(t), g.Name)
	f, err := os.Create(path)
	rig.Check(t, "create", err)
	defer f.Close()
	rig.Check(t, "truncate", f.Truncate(g.Size))
	rig.Check(t, "write", g.Write(f, g.PVs[0]))
	return path
}

// openBounded opens disks, in the time that broken ones may take.
func openBounded(t *testing.T, disks ...string) *unboot.Image {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	var opts []unboot.Option
	for _, d := range disks[1:] {
		opts = append(opts, unboot.AddDisk(d))
	}
	img, err := unboot.Open(ctx, disks[0], opts...)
	rig.Check(t, "open", err)
	t.Cleanup(func() { rig.Check(t, "close", img.Close()) })
	return img
}

// usable fails the test if the healthy disk cannot be read.
func usable(t *testing.T, img *unboot.Image) {
	t.Helper()
	f, err := img.Mount("/dev/sda", unboot.ReadOnly())
	rig.Check(t, "the healthy disk", err)
	if data, err := f.ReadFile("contents/hello"); err != nil || string(data) != "hello, world\n" {
		t.Errorf("the healthy disk: %q, %v", data, err)
	}
	rig.Check(t, "unmount", f.Unmount())
}

// said returns all that is wrong with an image.
func said(img *unboot.Image) string {
	s := strings.Join(img.Problems(), "\n")
	for _, v := range img.Inactive() {
		s += fmt.Sprintln(v.Name, v.Problems, v.Err)
	}
	return s
}

// A group has a thousand volumes: the kernel has a thread for each, and not that many. What
// it has none for says so, and the others are there.
func TestThousandVolumes(t *testing.T) {
	const count = 1000
	g := testvol.LVMGroup{Name: "many", PVs: []string{"pv0"}, Size: 80 << 20}
	for i := range int64(count) {
		g.LVs = append(g.LVs, testvol.LinearLV(fmt.Sprint("lv", i), "pv0", i, 1))
	}
	path := group(t, g)
	unchanged := rig.Unchanged(t, path)
	img := openBounded(t, healthy(t), path)
	usable(t, img)
	opened := 0
	for _, d := range img.Devices() {
		if d.Kind != unboot.KindLVM {
			continue
		}
		opened++
		f, err := d.Open(unix.O_RDONLY)
		rig.Check(t, "open", err)
		if n, err := f.ReadAt(make([]byte, 4096), 0); n != 4096 {
			t.Errorf("%s: %v", d.Name, err)
		}
		rig.Check(t, "close", f.Close())
	}
	inactive := img.Inactive()
	if opened < 250 || opened+len(inactive) != count {
		t.Errorf("%d volumes are there, %d are not", opened, len(inactive))
	}
	for i, v := range inactive {
		if v.Err == nil || !strings.Contains(v.Err.Error(), "threads") {
			t.Errorf("%s: %v, %q", v.Name, v.Err, v.Problems)
		}
		if i > 2 && t.Failed() {
			break
		}
	}
	t.Logf("%d volumes are there", opened)
	unchanged()
}

// Of two volumes with one UUID the second is left out, and said.
func TestVolumesWithOneUUID(t *testing.T) {
	g := testvol.LVMGroup{Name: "twins", PVs: []string{"pv0"}, Size: 16 << 20, LVs: []string{testvol.LinearLV("a", "pv0", 0, 1),
		strings.Replace(testvol.LinearLV("b", "pv0", 1, 1), testvol.LVMID("b"), testvol.LVMID("a"), 1), testvol.LinearLV("c", "pv0", 2, 1)}}
	img := openBounded(t, healthy(t), group(t, g))
	for name, want := range map[string]bool{"/dev/twins/a": true, "/dev/twins/b": false, "/dev/twins/c": true} {
		if _, err := img.Device(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := said(img); !strings.Contains(text, `logical volume "b" is wrong: its name or its UUID`) {
		t.Error(text)
	}
}

// There are more volumes and partitions than an image can have devices.
func TestTooManyDevices(t *testing.T) {
	g := testvol.LVMGroup{Name: "more", PVs: []string{"pv0"}, Size: 400 << 20}
	for i := range int64(5000) {
		g.LVs = append(g.LVs, testvol.LinearLV(fmt.Sprint("lv", i), "pv0", i, 1))
	}
	img := openBounded(t, healthy(t), group(t, g), crowded(t, 5000))
	usable(t, img)
	if n := len(img.Devices()); n < 250 || n > 4096 {
		t.Errorf("%d devices", n)
	}
	if len(said(img)) == 0 {
		t.Error("nothing is said of the others")
	}
}

// crowded returns a disk with a GPT of that many partitions, of a sector each.
func crowded(t *testing.T, count int) string {
	t.Helper()
	path := filepath.Join(memory(t), "crowded")
	const size = 16 << 20
	entries := make([]byte, count*128)
	first := uint64(2 + (len(entries)+511)/512)
	le := binary.LittleEndian
	for i := range count {
		e := entries[i*128:]
		copy(e, "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4")
		le.PutUint32(e[16:], uint32(i+1))
		le.PutUint64(e[32:], first+uint64(i))
		le.PutUint64(e[40:], first+uint64(i))
	}
	head := make([]byte, 512)
	copy(head, "EFI PART")
	le.PutUint32(head[8:], 0x10000)
	le.PutUint32(head[12:], 92)
	le.PutUint64(head[24:], 1)
	le.PutUint64(head[32:], size/512-1)
	le.PutUint64(head[40:], first)
	le.PutUint64(head[48:], size/512-34)
	le.PutUint64(head[72:], 2)
	le.PutUint32(head[80:], uint32(count))
	le.PutUint32(head[84:], 128)
	le.PutUint32(head[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(head[16:], crc32.ChecksumIEEE(head[:92]))
	mbr := make([]byte, 512)
	mbr[450], mbr[454], mbr[510], mbr[511] = 0xee, 1, 0x55, 0xaa
	le.PutUint32(mbr[458:], size/512-1)
	b := append(append(mbr, head...), entries...)
	rig.Check(t, "write", os.WriteFile(path, b, 0o600))
	rig.Check(t, "truncate", os.Truncate(path, size))
	return path
}

// Volumes that contain themselves: a physical volume of a group lies in a volume of the same
// group, or in one of a group that lies in it.
func TestVolumesInThemselves(t *testing.T) {
	const size = 64 << 20
	for name, c := range map[string]struct {
		groups []testvol.LVMGroup
		write  func(t *testing.T, f *os.File, g []testvol.LVMGroup)
	}{
		"the group's own volume": {
			[]testvol.LVMGroup{{Name: "own", PVs: []string{"pv0", "pv1"}, Size: size / 2, LVs: []string{testvol.LinearLV("in", "pv0", 16, 400), testvol.LinearLV("out", "pv1", 0, 16)}}},
			func(t *testing.T, f *os.File, g []testvol.LVMGroup) {
				rig.Check(t, "write", g[0].Write(f, "pv0"))
				rig.Check(t, "write", g[0].Write(inside{f, 4<<20 + 16*64<<10}, "pv1"))
			}},
		"the same physical volume": {
			[]testvol.LVMGroup{{Name: "self", PVs: []string{"pv0"}, Size: size / 2, LVs: []string{testvol.LinearLV("in", "pv0", 16, 400)}}},
			func(t *testing.T, f *os.File, g []testvol.LVMGroup) {
				rig.Check(t, "write", g[0].Write(f, "pv0"))
				rig.Check(t, "write", g[0].Write(inside{f, 4<<20 + 16*64<<10}, "pv0"))
			}},
		"two groups in each other": {
			[]testvol.LVMGroup{
				{Name: "one", PVs: []string{"pv0", "pv1"}, Size: size / 2, LVs: []string{testvol.LinearLV("in", "pv0", 16, 400), testvol.LinearLV("x", "pv1", 1, 300)}},
				{Name: "two", PVs: []string{"pv0"}, Size: 16 << 20, LVs: []string{testvol.LinearLV("in", "pv0", 0, 150)}},
			},
			func(t *testing.T, f *os.File, g []testvol.LVMGroup) {
				rig.Check(t, "write", g[0].Write(f, "pv0"))
				two := inside{f, 4<<20 + 16*64<<10}
				rig.Check(t, "write", g[1].Write(two, "pv0"))
				rig.Check(t, "write", g[0].Write(inside{f, two.off + 4<<20}, "pv1"))
			}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(memory(t), "disk")
			f, err := os.Create(path)
			rig.Check(t, "create", err)
			defer f.Close()
			rig.Check(t, "truncate", f.Truncate(size/2))
			c.write(t, f, c.groups)
			unchanged := rig.Unchanged(t, path)
			img := openBounded(t, healthy(t), path)
			usable(t, img)
			for _, d := range img.Devices() {
				if d.Volume == nil {
					continue
				}
				f, err := d.Open(unix.O_RDONLY)
				rig.Check(t, "open", err)
				f.ReadAt(make([]byte, 4096), 0)
				f.Close()
			}
			t.Logf("%d devices; %s", len(img.Devices()), said(img))
			rig.Check(t, "rescan", img.Rescan())
			unchanged()
		})
	}
}

// inside writes to a part of a file.
type inside struct {
	f   *os.File
	off int64
}

func (i inside) WriteAt(b []byte, off int64) (int, error) { return i.f.WriteAt(b, i.off+off) }

// Names that mean something else, or nothing, harm nobody.
func TestVolumeNames(t *testing.T) {
	names := []string{"..", ".", "control", "dm-0", "sda", "sda1", "null", "mapper", "md0", "console", "-x", "a-b", "a--b",
		strings.Repeat("n", 127), strings.Repeat("n", 128), "x y", "x/y", `x\x1b[2J`, "\x1b[2J", "ü", "snapshot", "pvmove0", "a_tmeta", ""}
	for _, as := range []string{"group", "volume"} {
		for i, name := range names {
			g := testvol.LVMGroup{Name: "vg", PVs: []string{"pv0"}, Size: 16 << 20}
			if as == "group" {
				g.Name = name
				g.LVs = []string{testvol.LinearLV("lv", "pv0", 0, 1)}
			} else {
				g.LVs = []string{testvol.LinearLV(name, "pv0", 0, 1), testvol.LinearLV("good", "pv0", 1, 1)}
			}
			path := filepath.Join(memory(t), fmt.Sprint(as, i))
			f, err := os.Create(path)
			rig.Check(t, "create", err)
			rig.Check(t, "truncate", f.Truncate(g.Size))
			rig.Check(t, "write", g.Write(f, "pv0"))
			f.Close()
			img := openBounded(t, healthy(t), path)
			usable(t, img)
			for _, node := range []string{"/dev/sda", "/dev/sdb"} {
				if d, err := img.Device(node); err != nil || d.Kind != unboot.KindDisk {
					t.Errorf("%s %q: %s is %v, %v", as, name, node, d, err)
				}
			}
			var st unix.Statx_t
			if err := img.Kernel().Statx(unix.AT_FDCWD, "/dev/mapper/control", 0, unix.STATX_TYPE, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFCHR {
				t.Errorf("%s %q is the control device", as, name)
			}
			for _, d := range img.Devices() {
				if strings.ContainsFunc(d.Name, func(r rune) bool { return r < ' ' }) || strings.Contains(d.Name, "/..") {
					t.Errorf("%s %q: a device %q", as, name, d.Name)
				}
			}
			if strings.ContainsRune(said(img), '\x1b') {
				t.Errorf("%s %q: %q", as, name, said(img))
			}
			rig.Check(t, "close", img.Close())
		}
	}
}
