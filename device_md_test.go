package unboot_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume/md"
)

// TestArraysWritten writes to arrays of every level. Afterwards the superblocks are clean, and
// what was written is there without one of the disks.
func TestArraysWritten(t *testing.T) {
	const name = "md-levels"
	paths := testvol.Writable(t, name)
	data := []byte(strings.Repeat("written through the array\n", 5000))
	img := openDisks(t, paths, unboot.Writable())
	nodes := []string{"r1", "r4", "r5", "r5ra", "r6", "r10", "r10f", "r10o", "r0", "linear"}
	for _, node := range nodes {
		fs, err := img.Mount("/dev/md/" + node)
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.WriteFile("new", data, 0o666); err != nil {
			t.Errorf("%s: %v", node, err)
		}
		if err := fs.Close(); err != nil {
			t.Errorf("%s: %v", node, err)
		}
	}
	partitions := img.Devices()
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	files := map[string]*os.File{}
	for i, p := range paths {
		files[fmt.Sprintf("/dev/sd%c", 'a'+i)] = rig.Open(t, p, os.O_RDONLY)
	}
	for _, d := range partitions {
		if d.Content == nil || d.Content.Type != "linux_raid_member" || d.Partition == nil {
			continue
		}
		disk := strings.TrimRight(d.Name, "0123456789")
		sb, err := md.Read(io.NewSectionReader(files[disk], d.Partition.Start, d.Size), d.Size)
		if err != nil || !sb.Clean() {
			t.Errorf("%s: %+v, %v", d.Name, sb, err)
		}
	}

	img = openDisks(t, paths[1:])
	for _, node := range nodes[:8] {
		fs, err := img.Mount("/dev/md/" + node)
		if err != nil {
			t.Errorf("without the first disk: %v", err)
			continue
		}
		if got, err := fs.ReadFile("new"); string(got) != string(data) {
			t.Errorf("without the first disk, %s: %d bytes, %v", node, len(got), err)
		}
		fs.Close()
	}
	if n := len(img.Inactive()); n != 2 {
		t.Errorf("%d arrays cannot be used, and two cannot do without a disk", n)
	}
}

// TestForceDirty opens a RAID 5 that was being written to when it stopped, without one disk.
func TestForceDirty(t *testing.T) {
	paths := testvol.Unpack(t, "md-dirty")[:2]
	for _, p := range paths {
		defer rig.Unchanged(t, p)()
	}
	img := openDisks(t, paths)
	if list := img.Inactive(); len(list) != 1 || !strings.Contains(strings.Join(list[0].Problems, " "), "force-dirty") {
		t.Errorf("inactive: %+v", list)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	img = openDisks(t, paths, unboot.ForceDirty())
	for _, c := range testvol.Contents(t, "md-dirty") {
		rig.Check(t, c.Node, checkContent(img, c))
	}
}
