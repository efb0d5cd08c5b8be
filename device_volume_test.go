package unboot_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
)

// closed are the volumes of the fixtures that do not open, by their nodes, and what is said
// of them. Those of LUKS have the names that their headers give.
var closed = map[string]map[string]string{
	"bcache":       {"/dev/bcache0": "may have newer data"},
	"lvm-exported": {"/dev/vgx/lv": "exported"},
	"lvm-partial":  {"/dev/vgp/gone": "is missing", "/dev/vgp/striped": "is missing", "/dev/vgp/both": "is missing"},
}

// elsewhere are the fixtures whose record names the device below the volume, or nothing that
// can be mounted: they have tests of their own.
var elsewhere = []string{"luks2-reencrypt", "verity-fec", "verity-gpt"}

// The volumes of all fixtures open by themselves, have what the tools wrote to them, and
// reading them changes no byte of the disks.
func TestVolumes(t *testing.T) {
	for _, name := range testvol.Names() {
		t.Run(name, func(t *testing.T) {
			disks := testvol.Unpack(t, name)
			for _, d := range disks {
				defer rig.Unchanged(t, d)()
			}
			img := openFixture(t, name, disks)
			for _, c := range testvol.Contents(t, name) {
				if !strings.HasPrefix(c.Node, "/dev/") || slices.Contains(elsewhere, name) {
					continue
				}
				var err error
				if words := closed[name][c.Node]; words != "" {
					err = checkInactive(img, c.Node, words)
				} else {
					err = checkContent(img, c)
				}
				if err != nil {
					t.Errorf("%s: %v", c.Node, err)
				}
			}
			want := len(closed[name])
			if name == "luks2-detached" {
				want++ // the header, on a disk where no data are
			}
			if n := len(img.Inactive()); n != want && !slices.Contains(elsewhere, name) {
				t.Errorf("%d volumes cannot be used, not %d", n, want)
			}
			if t.Failed() {
				t.Log(describe(img))
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the kernel has loaded is what the real tools load, apart from numbers.
func TestVolumeTables(t *testing.T) {
	img := openFixture(t, "lvm-linear", testvol.Unpack(t, "lvm-linear"))
	control, err := dm.Open(img.Kernel())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for name, want := range testvol.Table(t, "lvm-linear") {
		got, err := control.Table(name)
		if err != nil || len(got) != strings.Count(want, "\n")+1 {
			t.Errorf("%s: %q, want %q: %v", name, got, want, err)
		}
	}
}

// A snapshot is not a second file system to choose from: what it was made of is meant.
func TestMountAutoSnapshot(t *testing.T) {
	img := openFixture(t, "lvm-snapshot", testvol.Unpack(t, "lvm-snapshot"))
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err, describe(img))
	}
	if m := f.Mounts(); len(m) != 1 || m[0].Device != "/dev/vgs/orig" {
		t.Error(m)
	}
	if f, err := img.Mount("/dev/vgs/snap"); err != nil {
		t.Error(err)
	} else if err := f.Unmount(); err != nil {
		t.Error(err)
	}
}
