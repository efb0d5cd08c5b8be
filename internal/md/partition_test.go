package md_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/md"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume/md/mdtest"
)

// TestPartitions is that the kernel has the partitions of an array when its device has been
// opened, and that they go with it.
func TestPartitions(t *testing.T) {
	paths := mdtest.Create(t, mdtest.Spec{Version: "1.2", Level: 5, Layout: 2, Chunk: 64 * kib, Disks: 3, Sizes: []int64{4 * mib}})
	k := rig.Boot(t, &lkl.Config{})
	d := attach(t, k, paths, false)
	v := d.plan(t, nil)
	fd, stop := d.assemble(t, v, false)
	data := testimg.Pattern(int(v.Size), 1)
	copy(data[446:], make([]byte, 66))
	data[450] = 0x83
	binary.LittleEndian.PutUint32(data[454:], 2048)
	binary.LittleEndian.PutUint32(data[458:], 1024)
	data[510], data[511] = 0x55, 0xaa
	fill(t, k, fd, data)
	stop()

	_, stop = d.assemble(t, v, true)
	part, err := k.Open("/dev/md127p1", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, k, part, 1024*512); !bytes.Equal(got, data[2048*512:3072*512]) {
		t.Error("the partition has other data")
	}
	if err := k.CloseFd(part); err != nil {
		t.Error(err)
	}
	stop()
	if _, err := k.ReadFile("/sys/class/block/md127p1/size", 64); err == nil {
		t.Error("the partition outlives the array")
	}
	if err := md.Stop(k, 127); err == nil {
		t.Error("stopped twice")
	}
	d.detach(t)
}
