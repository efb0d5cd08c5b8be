package md_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	mdvol "github.com/unboot/unboot/volume/md"
	"github.com/unboot/unboot/volume/md/mdtest"
)

// set writes to an attribute of the array.
func (d *disks) set(t *testing.T, name, value string) {
	t.Helper()
	fd, err := d.k.Open("/sys/block/md127/md/"+name, unix.O_WRONLY, 0)
	if err == nil {
		_, err = d.k.Write(fd, []byte(value))
		d.k.CloseFd(fd)
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, value, err, rig.LastLog(d.k, 5))
	}
}

// get reads an attribute of the array.
func (d *disks) get(name string) string {
	text, _ := d.k.ReadFile("/sys/block/md127/md/"+name, 4096)
	return strings.TrimSpace(string(text))
}

// TestReshape reads an array of which the kernel has moved a part to one disk more, with all
// its disks and without one. It goes on with nothing.
func TestReshape(t *testing.T) {
	paths := mdtest.Create(t, mdtest.Spec{
		Version: "1.2", Level: 5, Layout: 2, Chunk: 64 * kib, Disks: 3, Spares: 1, Sizes: []int64{8 * mib}, Name: "host:grow",
	})
	k := rig.Boot(t, &lkl.Config{})
	d := attach(t, k, paths, false)
	v := d.plan(t, nil)
	fd, stop := d.assemble(t, v, false)
	data := testimg.Pattern(int(v.Size), 5)
	fill(t, k, fd, data)
	d.set(t, "sync_action", "idle")
	d.set(t, "sync_max", "4096") // of some 14,000 sectors
	d.set(t, "raid_disks", "4")
	d.set(t, "sync_action", "reshape")
	for deadline := time.Now().Add(20 * time.Second); !strings.HasPrefix(d.get("sync_completed"), "4096 "); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the reshape has come to %q only", d.get("sync_completed"))
		}
	}
	d.set(t, "sync_action", "frozen")
	stop()
	d.detach(t)
	agree(t, paths)

	for _, p := range paths {
		defer rig.Unchanged(t, p)()
	}
	d = attach(t, k, paths, true)
	for _, gone := range [][]int{nil, {0}, {3}} {
		v := d.plan(t, nil, gone...)
		a := v.Info.(*mdvol.Array)
		if a.Reshape == nil || a.Reshape.OldDisks != 3 || a.RaidDisks != 4 || a.Reshape.Position <= 0 || !v.ReadOnly || !strings.Contains(strings.Join(v.Problems, " "), "being reshaped") {
			t.Errorf("%+v %+v", v, a.Reshape)
		}
		fd, stop := d.assemble(t, v, true)
		if !bytes.Equal(read(t, k, fd, v.Size), data) {
			t.Errorf("other data without %v", gone)
		}
		stop()
	}
	d.detach(t)
}
