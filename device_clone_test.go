package unboot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
)

// Two clones of all disks are given together. Of volumes of several disks nobody could say
// which belong together, so that none is set up; what is on one disk alone opens, and what
// has the name of another already is said. Nothing is written.
func TestClones(t *testing.T) {
	for _, c := range []struct {
		name    string
		opens   int    // volumes that are there
		problem string // what is said
	}{
		{"lvm-linear", 0, "have the UUID"},
		{"lvm-raid", 0, "have the UUID"},
		{"lvm-thin", 0, "have the UUID"},
		{"md-levels", 0, "the same"},
		{"md-versions", 0, "the same"},
		{"md-imsm", 0, "which are copies of others is not known"},
		{"md-ddf", 0, "the same"},
		{"luks2-pbkdf2", 1, "the volume on /dev/sda has the name"},
		{"luks1", 1, "the volume on /dev/sda has the name"},
		{"stack-lvm-on-luks", 3, "the volume on /dev/sda2 has the name"},
		{"btrfs-raid1", 0, "are copies of one device"},
		{"integrity-crc32c", 2, ""},
		{"verity-gpt", 2, ""},
		{"ldm", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var disks []string
			if c.name == "ldm" {
				disks = dynamicDisks(t, "2003r2-spanned-1", "2003r2-spanned-2")
				disks = append(disks, dynamicDisks(t, "2003r2-spanned-1", "2003r2-spanned-2")...)
			} else {
				disks = slices.Concat(testvol.Unpack(t, c.name), testvol.Writable(t, c.name))
			}
			for _, d := range disks {
				defer rig.Unchanged(t, d)()
			}
			img := openFixture(t, c.name, disks)
			opens, said := 0, strings.Join(img.Problems(), "\n")
			for _, d := range img.Devices() {
				if d.Volume != nil {
					opens++
				}
				said += fmt.Sprint(d.Problems)
			}
			for _, v := range img.Inactive() {
				said += fmt.Sprintln(v.Name, v.Problems, v.Err)
			}
			if opens != c.opens || !strings.Contains(said, c.problem) {
				t.Errorf("%d volumes, and should be %d; said:\n%s\n%s", opens, c.opens, said, describe(img))
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	_ = unboot.ErrLocked
}
