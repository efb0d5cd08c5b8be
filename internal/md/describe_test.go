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
)

// TestDescribed writes to a degraded array without superblocks: all the bytes of its
// members outside of the data stay.
func TestDescribed(t *testing.T) {
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
