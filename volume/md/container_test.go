package md

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/md/mdtest"
	"github.com/unboot/unboot/volume/probe"
)

// firmware opens disks as members of what package probe finds on them.
func firmware(t *testing.T, paths []string, want string) []*volume.Member {
	t.Helper()
	list := members(t, paths)
	for _, m := range list {
		info, err := probe.Probe(m.R, m.Size)
		if err != nil || info.Type != want {
			t.Fatalf("%s is %+v: %v", m.Name, info, err)
		}
		m.Info = info
	}
	return list
}

// examine returns what `mdadm --examine` prints of a file, which it needs as a block device.
func examine(t *testing.T, path string, args ...string) string {
	t.Helper()
	testimg.Need(t, "mdadm", "losetup")
	testimg.NeedRoot(t)
	dev := strings.TrimSpace(testimg.MustRun(t, "losetup", "--find", "--show", "--read-only", path))
	defer testimg.MustRun(t, "losetup", "--detach", dev)
	cmd := exec.Command("mdadm", append(append([]string{"--examine"}, args...), dev)...)
	// A loop device has neither a serial number nor Intel's controller.
	cmd.Env = append(os.Environ(), "IMSM_NO_PLATFORM=1", "IMSM_DEVNAME_AS_SERIAL=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mdadm: %v\n%s", err, out)
	}
	return string(out)
}

// said reports whether mdadm has printed a line with these words.
func said(out, field, value string) bool {
	for line := range strings.Lines(out) {
		name, rest, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && (name == field || strings.HasPrefix(name, field+"[")) && strings.HasPrefix(strings.TrimSpace(rest), value) {
			return true
		}
	}
	return false
}

var ddfShapes = []struct {
	name             string
	level, qualifier uint8
	disks, mirrors   int
	want             [2]int
	mdadm            string
}{
	{"RAID0", 0, 0, 3, 0, [2]int{0, 0}, "RAID0"},
	{"RAID1", 1, 0, 2, 0, [2]int{1, 0}, "RAID1"},
	{"concat", 0x1f, 0, 2, 0, [2]int{-1, 0}, "CONCAT"},
	{"RAID5 continue", 5, 3, 3, 0, [2]int{5, 2}, "RAID5"},
	{"RAID5 restart", 5, 2, 3, 0, [2]int{5, 0}, "RAID5"},
	{"RAID5 0", 5, 0, 3, 0, [2]int{5, 1}, "RAID5"},
	{"RAID6", 6, 3, 4, 0, [2]int{6, 10}, "RAID6"},
	{"RAID1E", 0x11, 0, 3, 0, [2]int{10, 0x102}, "RAID1E"},
	{"RAID10", 1, 0, 4, 2, [2]int{10, 0x102}, "RAID1"},
}

func TestDDF(t *testing.T) {
	for _, c := range ddfShapes {
		t.Run(c.name, func(t *testing.T) {
			paths := mdtest.Container{
				Disks: c.disks, Size: 40 * mib, Offset: 64 << 10, Given: 4 * mib, Chunk: 64 << 10, Name: "vol", Seq: 3,
				Level: c.level, Qualifier: c.qualifier, Mirrors: c.mirrors,
			}.DDF(t)
			slices.Reverse(paths) // each says which it is
			v := openOne(t, firmware(t, paths, "ddf_raid_member"), nil)
			a := v.Array
			if a == nil || len(v.Problems) > 0 {
				t.Fatalf("%+v", v)
			}
			if a.Level != c.want[0] || a.Layout != c.want[1] || a.RaidDisks != c.disks || len(a.Slots) != c.disks || a.Major != -1 {
				t.Errorf("array %+v", a)
			}
			for i, s := range a.Slots {
				if want := fmt.Sprintf("/dev/sd%c", 'a'+c.disks-1-i); s.Role != i || s.Offset != 64<<10 || s.Size != 4*mib || s.Base.(*volume.Member).Name != want {
					t.Errorf("slot %d: %+v", i, s)
				}
			}
			if !slices.Equal(v.Nodes, []string{"/dev/md/vol_0", "/dev/md/vol"}) {
				t.Errorf("nodes %q", v.Nodes)
			}
			out := examine(t, paths[0])
			if !said(out, "Raid Level", c.mdadm) || !said(out, "VD Name", "vol") && !said(out, "Name", "vol") && !strings.Contains(out, "vol") {
				t.Errorf("mdadm says:\n%s", out)
			}
			if brief := examine(t, paths[0], "--brief"); !strings.Contains(brief, "member=0 UUID="+v.UUID) {
				t.Errorf("UUID %s, mdadm says:\n%s", v.UUID, brief)
			}
		})
	}
}

func TestIMSM(t *testing.T) {
	for _, c := range []struct {
		level uint8
		disks int
		want  [2]int
		mdadm string
	}{
		{0, 2, [2]int{0, 0}, "0"}, {1, 2, [2]int{1, 0}, "1"}, {5, 3, [2]int{5, 0}, "5"}, {10, 4, [2]int{10, 0x102}, "10"}, {5, 9, [2]int{5, 0}, "5"},
	} {
		t.Run(fmt.Sprint(c.level, " of ", c.disks), func(t *testing.T) {
			paths := mdtest.Container{
				Disks: c.disks, Size: 8 * mib, Given: 4 * mib, Chunk: 64 << 10, Name: "Volume0", Seq: 3, Level: c.level, Dirty: true,
			}.IMSM(t)
			v := openOne(t, firmware(t, paths, "isw_raid_member"), nil)
			a := v.Array
			if a == nil {
				t.Fatalf("%+v", v)
			}
			if a.Level != c.want[0] || a.Layout != c.want[1] || a.RaidDisks != c.disks || len(a.Slots) != c.disks || a.Dirty != (c.level != 0) {
				t.Errorf("array %+v", a)
			}
			if level, size := c.want[0], v.Size; size != capacity(level, a.Layout, c.disks, 64<<10, 4*mib, slices.Repeat([]int64{4 * mib}, c.disks)) {
				t.Errorf("%d bytes", size)
			}
			for i, s := range a.Slots {
				if want := fmt.Sprintf("/dev/sd%c", 'a'+i); s.Role != i || s.Offset != 0 || s.Size != 4*mib || s.Base.(*volume.Member).Name != want {
					t.Errorf("slot %d: %+v", i, s)
				}
			}
			if assumed := strings.Contains(fmt.Sprint(v.Problems), "in which they are given"); assumed == (c.level == 1) {
				t.Errorf("problems %q", v.Problems)
			}
			out := examine(t, paths[0])
			if !said(out, "RAID Level", c.mdadm) || !strings.Contains(out, "[Volume0]") || !said(out, "Checksum", "") || !said(out, "UUID", v.UUID) {
				t.Errorf("UUID %s; mdadm says:\n%s", v.UUID, out)
			}
		})
	}
}
