package inspect

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

// TestFind has the systems of all the tests on one machine. What is found to be mounted
// has to be the same as with everything else that is read, and it is read less.
func TestFind(t *testing.T) {
	src := &fake{trees: map[string]testtree.Files{}}
	for i, files := range sortedTrees() {
		device := diskDevice(i)
		src.devices = append(src.devices, dev(device, "ext4"))
		src.trees[device] = files
	}
	in := stubHives(win10())
	all, err := in.Image(src)
	if err != nil {
		t.Fatal(err)
	}
	found, err := in.Find(src)
	if err != nil || len(found) != len(all) || src.mounted != 0 {
		t.Fatalf("%d roots of %d, %v", len(found), len(all), err)
	}
	less := 0
	for i, r := range found {
		a := all[i]
		if r.Device != a.Device || r.Type != a.Type || r.Distro != a.Distro || r.Format != a.Format || !reflect.DeepEqual(r.Mounts, a.Mounts) {
			t.Errorf("%s: %s, with all that is read %s", r.Device, r.text(), a.text())
		}
		if r.Major != a.Major && r.Type != Windows {
			t.Errorf("%s: version %s, with all that is read %s", r.Device, r.Version, a.Version)
		}
		if a.Arch != "" && r.Arch == "" {
			less++
		}
	}
	if less == 0 {
		t.Error("Find reads as much as Image")
	}
}

// sortedTrees returns trees with and without a system, in the order of their names.
func sortedTrees() (list []testtree.Files) {
	trees := guestfsTrees()
	trees["windows"] = windowsFiles
	names := make([]string, 0, len(trees))
	for name := range trees {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, trees[name])
	}
	return list
}

// TestSnapshots has several roots on one btrfs, of which one or more are in use.
func TestSnapshots(t *testing.T) {
	at := func(root string) testtree.Files { return withFstab("UUID=2 / btrfs " + root + "\n") }
	many := []Subvolume{{ID: 256, Path: "@", UUID: "a"}, {ID: 257, Path: "@snap/1", UUID: "b", ParentUUID: "a", Default: true}}
	for i := range 100 {
		many = append(many, Subvolume{ID: uint64(300 + i), Path: fmt.Sprint("@snap/", i+2), UUID: fmt.Sprint("u", i), ParentUUID: "b"})
	}
	for name, c := range map[string]struct {
		subs   []Subvolume
		trees  map[string]testtree.Files // by path
		want   string
		mounts int // at most
	}{
		"restored by Timeshift": { // what boots is a snapshot of the snapshot of what was there before
			[]Subvolume{{ID: 256, Path: "old/@", UUID: "a"}, {ID: 257, Path: "snapshots/1/@", UUID: "b", ParentUUID: "a"}, {ID: 258, Path: "@", UUID: "c", ParentUUID: "b"}},
			map[string]testtree.Files{"old/@": at("subvol=@"), "snapshots/1/@": at("subvol=@"), "@": at("subvol=@")},
			"btrfsvol:/dev/sda2/@", 4,
		},
		"by number": {
			[]Subvolume{{ID: 256, Path: "a", UUID: "a"}, {ID: 257, Path: "b", UUID: "b", ParentUUID: "a"}},
			map[string]testtree.Files{"a": at("subvolid=257"), "b": at("subvolid=257")},
			"btrfsvol:/dev/sda2/b", 3,
		},
		"received from elsewhere": {
			[]Subvolume{{ID: 256, Path: "@", UUID: "a"}, {ID: 257, Path: "backup/@", UUID: "b"}},
			map[string]testtree.Files{"@": at("subvol=/@"), "backup/@": at("subvol=/@")},
			"btrfsvol:/dev/sda2/@", 3,
		},
		"a backup of what is gone": {
			[]Subvolume{{ID: 257, Path: "backup/@", UUID: "b"}},
			map[string]testtree.Files{"backup/@": at("subvol=/@")},
			"btrfsvol:/dev/sda2/backup/@", 2,
		},
		"two systems": {
			[]Subvolume{{ID: 256, Path: "debian", UUID: "a"}, {ID: 257, Path: "fedora", UUID: "b"}},
			map[string]testtree.Files{"debian": at("subvol=debian"), "fedora": at("subvol=fedora")},
			"btrfsvol:/dev/sda2/debian btrfsvol:/dev/sda2/fedora", 3,
		},
		"a system and its containers": {
			[]Subvolume{{ID: 256, Path: "@", UUID: "a"}, {ID: 257, Path: "@/var/lib/machines/sid", UUID: "b"}, {ID: 258, Path: "var/lib/portables/x", UUID: "c"}},
			map[string]testtree.Files{"@": at("subvol=@"), "@/var/lib/machines/sid": at(""), "var/lib/portables/x": at("")},
			"btrfsvol:/dev/sda2/@", 2,
		},
		"snapshots of the default are not even mounted": {many, map[string]testtree.Files{"": at(""), "@": at("")}, "/dev/sda2", 1},
	} {
		src := &fake{devices: []Device{dev("/dev/sda2", "btrfs", "UUID=2")}, trees: map[string]testtree.Files{"/dev/sda2": c.trees[""]},
			subvolumes: map[string][]Subvolume{"/dev/sda2": c.subs}}
		for path, files := range c.trees {
			if path != "" {
				src.trees["/dev/sda2@subvol="+path] = files
			}
		}
		roots, err := Find(src)
		var got []string
		for _, r := range roots {
			got = append(got, r.Device)
		}
		if strings.Join(got, " ") != c.want || err != nil || len(src.mounts) > c.mounts {
			t.Errorf("%s: %q, %v, want %s; %d mounts", name, got, err, c.want, len(src.mounts))
		}
	}
}

// TestByHand has an entry for what is mounted by hand: it counts if its device is there,
// and is no problem if it is not.
func TestByHand(t *testing.T) {
	src := &fake{devices: []Device{dev("/dev/sda1", "ext2", "LABEL=boot"), dev("/dev/sda2", "ext4")}, trees: map[string]testtree.Files{
		"/dev/sda1": {}, "/dev/sda2": withFstab("LABEL=boot /boot ext2 noauto,noatime\n/dev/sdz9 /mnt/stick vfat noauto,user\nLABEL=x /x ext4 noauto\n")}}
	roots, err := Find(src)
	if err != nil || len(roots) != 1 {
		t.Fatal(roots, err)
	}
	if got := roots[0].text(); got != "/dev/sda2 debian /=/dev/sda2 /boot=/dev/sda1 /mnt/stick=/dev/sdz9 | /dev/sda2 /dev/sda1 /dev/sdz9" || len(roots[0].Problems) > 0 {
		t.Errorf("%s, %q", got, roots[0].Problems)
	}
}
