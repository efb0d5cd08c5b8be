package inspect

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

// TestFstabOfMachine has entries for disks that are not part of the image: what they name
// must not be taken for something else, as programs delete what is in /tmp.
func TestFstabOfMachine(t *testing.T) {
	for name, c := range map[string]struct {
		devices []Device
		fstab   string
		want    []string // mounts
		problem string   // of the entry of /tmp
	}{
		"scratch disks": {[]Device{dev("/dev/sda1", "ext4", "LABEL=root")},
			"LABEL=root / ext4\n/dev/sdb1 /tmp ext4 nofail\n/dev/xvdb1 /mnt auto nofail,comment=cloudconfig\n/dev/vdb /scratch ext4\n",
			[]string{"/=/dev/sda1", "/tmp=/dev/sdb1", "/mnt=/dev/xvdb1", "/scratch=/dev/vdb"}, "no such device"},
		"the root's name on another machine": {[]Device{dev("/dev/sda1", "ext4", "LABEL=root")},
			"LABEL=root / ext4\n/dev/sda1 /tmp ext4\n/dev/vda1 /mnt ext4\n/dev/hda1 /a ext4\n/dev/xvda1 /b ext4\n",
			[]string{"/=/dev/sda1", "/b=/dev/xvda1"}, "is the device of the root"},
		"two identities of the root": {[]Device{dev("/dev/sda1", "ext4", "LABEL=root", "UUID=r")},
			"LABEL=root / ext4\nUUID=r /tmp ext4\n", []string{"/=/dev/sda1"}, "is the device of the root"},
		"one with an identity": {[]Device{dev("/dev/sda1", "ext4", "LABEL=root"), dev("/dev/sda2", "ext4", "UUID=h")},
			"LABEL=root / ext4\n/dev/sda2 /tmp ext4\nUUID=h /home ext4\n", []string{"/=/dev/sda1", "/home=/dev/sda2"}, "is the device of UUID=h"},
		"swap space with an identity": {[]Device{dev("/dev/sda1", "ext4", "LABEL=root"), dev("/dev/sda2", "", "PARTUUID=s")},
			"LABEL=root / ext4\n/dev/sda2 /tmp ext4\nPARTUUID=s none swap sw\n", []string{"/=/dev/sda1"}, "is the device of PARTUUID=s"},
		"a device of the root's btrfs": {[]Device{dev("/dev/sda1", "btrfs", "UUID=r"), dev("/dev/sdb1", "btrfs", "UUID=r")},
			"UUID=r / btrfs\n/dev/sdb1 /tmp btrfs\n", []string{"/=/dev/sda1"}, "is the device of the root"},
	} {
		src := &fake{devices: c.devices, trees: map[string]testtree.Files{"/dev/sda1": withFstab(c.fstab)}}
		roots, err := Image(src)
		if len(roots) != 1 {
			t.Fatal(name, roots, err)
		}
		checkMounts(t, name, roots[0], c.want, c.problem)
	}
}

// TestFstabOfSubvolumes has entries for subvolumes, of which a roll-back to a snapshot
// leaves numbers that mean nothing any more.
func TestFstabOfSubvolumes(t *testing.T) {
	subs := []Subvolume{{ID: 256, Path: "@", UUID: "a"}, {ID: 257, Path: "@home", UUID: "b"}}
	def := slices.Clone(subs)
	def[0].Default = true
	for name, c := range map[string]struct {
		subs    []Subvolume
		options string
		want    string // what /tmp is; "" if it is nothing
		problem string
	}{
		"by number":                  {subs, "subvolid=257", "btrfsvol:/dev/sda1/@home", ""},
		"by number in another way":   {subs, "subvolid=0x101", "btrfsvol:/dev/sda1/@home", ""},
		"a number that is gone":      {subs, "subvolid=999", "", "no subvolume with the number 999"},
		"the number of an inode":     {subs, "subvolid=1", "", "no subvolume with the number 1"},
		"no number":                  {subs, "subvolid=@home", "", "no subvolume"},
		"none are known":             {nil, "subvolid=257", "", "no subvolume with the number 257"},
		"by both":                    {subs, "subvolid=257,subvol=/@home", "btrfsvol:/dev/sda1/@home", ""},
		"by both, one is gone":       {subs, "subvolid=999,subvol=/@home", "", "no subvolume with the number 999"},
		"by both, of another":        {subs, "subvolid=256,subvol=/@home", "", "@home does not have the number 256"},
		"the top level by its path":  {subs, "subvol=/", "/dev/sda1", ""},
		"the top level by number":    {subs, "subvolid=5", "/dev/sda1", ""},
		"the top level by another":   {subs, "subvolid=0", "/dev/sda1", ""},
		"the top level by both":      {subs, "subvolid=5,subvol=/", "/dev/sda1", ""},
		"the top is not the default": {def, "subvolid=5", "btrfsvol:/dev/sda1/", ""},
		"nor by its path":            {def, "subvol=/", "btrfsvol:/dev/sda1/", ""},
		"with slashes":               {subs, "subvol=/@home/", "btrfsvol:/dev/sda1/@home", ""},
		"the root's by number":       {subs, "subvolid=256", "", "that is the root here"},
		"the root's by path":         {def, "subvol=@", "", "that is the root here"},
	} {
		fstab := "LABEL=r / btrfs subvol=@\nUUID=r /tmp btrfs " + c.options + "\n"
		trees := map[string]testtree.Files{"/dev/sda1": {}, "/dev/sda1@subvol=@": withFstab(fstab), "/dev/sda1@subvol=@home": {}}
		if c.subs == nil || c.subs[0].Default {
			trees["/dev/sda1"] = withFstab(fstab)
		}
		src := &fake{devices: []Device{dev("/dev/sda1", "btrfs", "UUID=r", "LABEL=r")}, trees: trees, subvolumes: map[string][]Subvolume{"/dev/sda1": c.subs}}
		roots, err := Image(src)
		if len(roots) != 1 {
			t.Fatal(name, roots, err)
		}
		want := []string{"/=" + roots[0].Device}
		if c.want != "" {
			want = append(want, "/tmp="+c.want)
		}
		checkMounts(t, name, roots[0], want, c.problem)
	}
}

// checkMounts compares where a root's devices are mounted, and what is said of /tmp.
func checkMounts(t *testing.T, name string, r *Root, want []string, problem string) {
	t.Helper()
	var got []string
	for _, m := range r.Mounts {
		got = append(got, m.Dir+"="+m.Device)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: mounts %q, want %q", name, got, want)
	}
	i := slices.IndexFunc(r.Problems, func(p string) bool { return strings.Contains(p, "/tmp") })
	switch {
	case problem == "" && i >= 0:
		t.Errorf("%s: %q", name, r.Problems[i])
	case problem != "" && (i < 0 || !strings.Contains(r.Problems[i], problem)):
		t.Errorf("%s: problems %q, want %q", name, r.Problems, problem)
	}
}
