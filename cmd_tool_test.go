package unboot_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// TestToolLVM has lvm(8) make and remove volumes behind the image's back, which are the image's
// after a rescan.
func TestToolLVM(t *testing.T) {
	testimg.Need(t, "lvm")
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 64<<20); err != nil {
		t.Fatal(err)
	}
	img := open(t, disk, unboot.Writable())
	tool := func(name string, args ...string) {
		t.Helper()
		out, err := img.Tool(name, args...).CombinedOutput()
		rig.Check(t, name+": "+string(out), err)
		rig.Check(t, "rescan", img.Rescan())
	}
	if err := img.Tool("true").Run(); err != nil {
		t.Skip("no tools: ", err)
	}
	volumes := func(want ...string) {
		t.Helper()
		var got []string
		for _, d := range img.Devices() {
			if d.Kind == unboot.KindLVM {
				got = append(got, d.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", strings.Join(got, " "), want)
		}
	}
	tool("pvcreate", "-q", "/dev/sda")
	tool("vgcreate", "-q", "vg", "/dev/sda")
	tool("lvcreate", "-q", "-y", "-n", "one", "-L", "8m", "vg")
	tool("lvcreate", "-q", "-y", "-n", "two", "-L", "8m", "vg")
	volumes("/dev/vg/one", "/dev/vg/two")
	tool("lvremove", "-q", "-f", "vg/one")
	volumes("/dev/vg/two")
	tool("lvrename", "-q", "vg/two", "vg/one")
	volumes("/dev/vg/one")
	tool("vgremove", "-q", "-f", "vg")
	volumes()
}
