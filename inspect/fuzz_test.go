package inspect

import (
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

// Any fstab, on any system.
func FuzzFstab(f *testing.F) {
	f.Add(guestfsFstab, "")
	f.Add("/dev/ada0s1d / ufs rw\n52fdd1ce48744600.d /usr ffs rw\nNAME=a /a ffs rw\nROOT.e /e ffs rw\n/dev/dk3 /b ffs rw\n", "bin/freebsd-version")
	f.Add("/dev/sd999999999999999999999a /x ext4\n/dev/ad999s99h /y ufs\n/dev/wd0c /z ffs\n", "etc/pf.os")
	f.Add("UUID=2 /a btrfs subvolid=18446744073709551616\nUUID=2 /b btrfs subvol=\nUUID=2 /../.. btrfs subvol=../x\n", "")
	f.Fuzz(func(t *testing.T, text, mark string) {
		if !strings.HasPrefix(mark, "bin/freebsd") {
			mark = "etc/mark"
		}
		src := &fake{
			devices: []Device{dev("/dev/sda1", "ext4", "UUID=1"), dev("/dev/sda5", "swap"), dev("/dev/sdb1", "btrfs", "UUID=2"), dev("/dev/vg/lv", "xfs")},
			trees:   map[string]testtree.Files{"/dev/sda1": root(testtree.Files{mark: "", "etc/fstab": text})},
		}
		roots, err := Image(src)
		if err != nil || len(roots) != 1 {
			t.Fatal(roots, err)
		}
		seen := map[string]bool{}
		for _, m := range roots[0].Mounts {
			if !strings.HasPrefix(m.Dir, "/") || seen[m.Dir] || m.Device == "" || strings.Contains(m.Dir, "/../") {
				t.Fatalf("%+v", m)
			}
			seen[m.Dir] = true
		}
		if src.mounted != 0 || len(roots[0].Problems) > maxNotes+4 {
			t.Fatal(src.mounted, len(roots[0].Problems))
		}
	})
}
