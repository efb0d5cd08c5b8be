package md

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/md/mdtest"
)

// TestNames has the paths that mdadm gives to arrays of another host, and those at home.
func TestNames(t *testing.T) {
	for name, want := range map[string][]string{
		"host:data":     {"/dev/md/host:data", "/dev/md/data"},
		"host:0":        {"/dev/md/host:0", "/dev/md/0", "/dev/md0"},
		"host:md127":    {"/dev/md/host:md127", "/dev/md/md127", "/dev/md127"},
		"host:007":      {"/dev/md/host:007", "/dev/md/007"},
		"data":          {"/dev/md/data_0", "/dev/md/data"},
		"a b/c":         {"/dev/md/a_b-c_0", "/dev/md/a_b-c"},
		"host:..":       {"/dev/md/host:.."},
		"../../etc":     {"/dev/md/..-..-etc_0", "/dev/md/..-..-etc"},
		"..":            {"/dev/md/.._0"},
		"host:":         {"/dev/md/host:"},
		"":              nil,
		"host:99999999": {"/dev/md/host:99999999", "/dev/md/99999999"},
	} {
		if got := nodes(&Superblock{Major: 1, Name: name}); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := nodes(&Superblock{PreferredMinor: -5}); got != nil {
		t.Errorf("number -5: %q", got)
	}
}

// TestZones is that a RAID0 of members that differ is only started if it says how its
// chunks lie, unless that makes no difference.
func TestZones(t *testing.T) {
	for _, c := range []struct {
		sizes    []int64
		layout   int
		features uint32
		started  bool
	}{
		{[]int64{4 * mib}, 0, 0, true},
		{[]int64{4 * mib, 6 * mib, 6 * mib}, 0, 0, false},
		{[]int64{4 * mib, 4 * mib, 6 * mib}, 0, 0, true}, // the rest is on one disk
		{[]int64{4 * mib, 6 * mib, 6 * mib}, 1, FeatureRAID0Layout, true},
		{[]int64{4 * mib, 6 * mib, 6 * mib}, 2, FeatureRAID0Layout, true},
	} {
		s := mdtest.Spec{Version: "1.2", Level: 0, Layout: c.layout, Features: c.features, Chunk: 64 << 10, Disks: 3, Sizes: c.sizes, Name: "z"}
		v := openOne(t, members(t, mdtest.Create(t, s)), nil)
		if started := v.Array != nil; started != c.started || !started && !strings.Contains(v.Problems[0], "two layouts") {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}

// TestWholeDisk has a member that is a disk's last partition. Its superblock of version 0.90
// is where one of the disk would be.
func TestWholeDisk(t *testing.T) {
	s := mdtest.Spec{Version: "0.90", Level: 1, Disks: 1, Sizes: []int64{4 * mib}, Name: "p"}
	path := mdtest.Create(t, s)[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	disk := path + ".disk"
	if err := os.WriteFile(disk, append(make([]byte, mib), data...), 0o600); err != nil {
		t.Fatal(err)
	}
	list := members(t, []string{disk, path})
	list[1].Disk, list[1].PartStart, list[1].Name = false, mib, "/dev/sda1"
	v := openOne(t, list, nil)
	if v.Array == nil || len(v.Array.Slots) != 1 || v.Array.Slots[0].Base != volume.Base(list[1]) || v.Size != 4*mib-64<<10 {
		t.Errorf("%+v", v)
	}
}
