package md_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/md/mdtest"
)

// TestDescribed reads what the kernel has written to arrays with superblocks, through plans
// that say all that the superblocks do.
func TestDescribed(t *testing.T) {
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			s := c.spec
			s.Version = "1.2"
			paths := mdtest.Create(t, s)
			data := written(t, paths)
			k := rig.Boot(t, &lkl.Config{})
			d := attach(t, k, paths, true)
			for _, p := range paths {
				defer rig.Unchanged(t, p)()
			}
			for i, gone := range append([][]int{nil}, c.gone...) {
				v := d.plan(t, nil, gone...)
				v.Array.Major, v.Array.Minor = -1, -1
				fd, stop := d.assemble(t, v, i%2 == 0)
				if !bytes.Equal(read(t, k, fd, v.Size), data) {
					t.Errorf("other data without %v", gone)
				}
				stop()
			}
			d.detach(t)
		})
	}
}

// TestDescribedWrite writes to a degraded array without superblocks: all the bytes of its
// members outside of the data stay.
func TestDescribedWrite(t *testing.T) {
	var paths []string
	before := testimg.Pattern(4*mib, 3)
	for _, name := range []string{"a", "b"} {
		p := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(p, before, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	k := rig.Boot(t, &lkl.Config{})
	d := attach(t, k, paths, false)
	const offset, size = 256 * kib, 3 * mib
	v := &volume.Volume{Size: 2 * size, Array: &volume.Array{
		Major: -1, Minor: -1, Level: 5, Chunk: 64 * kib, RaidDisks: 3, Size: size, Degraded: 1,
		Slots: []volume.Slot{{Base: d.members[0], Role: 0, Offset: offset, Size: size}, {Base: d.members[1], Role: 2, Offset: offset, Size: size}},
	}}
	data := testimg.Pattern(int(v.Size), 4)
	fd, stop := d.assemble(t, v, false)
	fill(t, k, fd, data)
	stop()
	fd, stop = d.assemble(t, v, true)
	if !bytes.Equal(read(t, k, fd, v.Size), data) {
		t.Error("other data")
	}
	stop()
	d.detach(t)
	for _, p := range paths {
		after, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(after[:offset], before[:offset]) || !bytes.Equal(after[offset+size:], before[offset+size:]) {
			t.Errorf("%s was written to outside of the array", p)
		}
	}
}
