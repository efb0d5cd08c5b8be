package dm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

func TestMain(m *testing.M) { rig.Main(m) }

// control returns the device mapper of a kernel that has a disk of 1 MiB, whose sectors
// each begin with their number, and what tables call the disk.
func control(t *testing.T) (*lkl.Kernel, *Control, func(volume.Base) string) {
	k := rig.Boot(t, &lkl.Config{})
	image := filepath.Join(t.TempDir(), "disk")
	data := make([]byte, 1<<20)
	for i := range len(data) / 512 {
		data[512*i], data[512*i+1] = byte(i), byte(i>>8)
	}
	rig.Check(t, "writing", os.WriteFile(image, data, 0o666))
	disk := rig.Attach(t, k, image)
	dev, err := k.ReadFile("/sys/block/"+strings.TrimPrefix(disk, "/dev/")+"/dev", 64)
	rig.Check(t, "reading the numbers", err)
	c, err := Open(k)
	rig.Check(t, "opening", err)
	t.Cleanup(func() { c.Close() })
	return k, c, func(volume.Base) string { return strings.TrimSpace(string(dev)) }
}

// sector reads the number that a sector of a device begins with.
func sector(t *testing.T, k *lkl.Kernel, node string, n int64) int {
	t.Helper()
	fd, err := k.Open(node, unix.O_RDONLY, 0)
	rig.Check(t, "opening "+node, err)
	defer k.CloseFd(fd)
	b := make([]byte, 512)
	_, err = k.Pread(fd, b, n*512)
	rig.Check(t, "reading "+node, err)
	return int(b[0]) | int(b[1])<<8
}

func TestLife(t *testing.T) {
	k, c, number := control(t)
	disk := &volume.Member{}
	table := []volume.Target{
		{Start: 0, Length: 10, Type: "linear", Params: "@ 100", Devices: []volume.Base{disk}},
		{Start: 10, Length: 20, Type: "zero"},
	}
	d, err := c.Create("vg-lv", "LVM-1", false, table, number)
	rig.Check(t, "creating", err)
	if n := sector(t, k, d.Node(), 3); n != 103 {
		t.Error("sector", n)
	}
	lines, err := c.Table("vg-lv")
	if want := []string{table[0].Line(number), "10 20 zero"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v; want %q", lines, err, want)
	}
	if _, err := c.Create("vg-lv", "", false, table, number); !errors.Is(err, unix.EBUSY) {
		t.Error("twice:", err)
	}

	table = []volume.Target{{Length: 64, Type: "linear", Params: "@ 200", Devices: []volume.Base{disk}}}
	fd, err := k.Open(d.Node(), unix.O_RDONLY, 0)
	rig.Check(t, "opening", err)
	rig.Check(t, "reloading", c.Reload("vg-lv", true, table, number))
	if n := sector(t, k, d.Node(), 63); n != 263 {
		t.Error("sector", n)
	}
	if err := c.Remove("vg-lv"); !errors.Is(err, unix.EBUSY) {
		t.Error("removing what is open:", err)
	}
	k.CloseFd(fd)
	fd, err = k.Open(d.Node(), unix.O_WRONLY, 0)
	rig.Check(t, "opening", err)
	if _, err := k.Write(fd, make([]byte, 512)); !errors.Is(err, unix.EPERM) {
		t.Error("writing to what is read-only:", err)
	}
	k.CloseFd(fd)
	rig.Check(t, "removing", c.Remove("vg-lv"))
	if err := c.Remove("vg-lv"); !errors.Is(err, unix.ENXIO) {
		t.Error("removing what has gone:", err)
	}
}

// An error has the kernel's words, and nothing is left.
func TestErrors(t *testing.T) {
	_, c, number := control(t)
	disk := &volume.Member{}
	_, err := c.Create("x", "", false, []volume.Target{{Length: 1 << 40, Type: "linear", Params: "@ 0", Devices: []volume.Base{disk}}}, number)
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "too small for target") {
		t.Error(err)
	}
	_, err = c.Create("x", "", false, []volume.Target{{Length: 8, Type: "no-such-target"}}, number)
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "unknown target type") {
		t.Error(err)
	}
	if _, err := c.Create(strings.Repeat("x", 128), "", false, nil, number); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Error(err)
	}
	for _, bad := range []volume.Target{{Start: -1, Length: 1, Type: "zero"}, {Length: 0, Type: "zero"}, {Length: 1, Type: strings.Repeat("x", 16)}} {
		if _, err := c.Create("x", "", false, []volume.Target{bad}, number); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := c.Table("x"); !errors.Is(err, unix.ENXIO) {
		t.Error(err)
	}
}

// A key is in the kernel, and in no error.
func TestKey(t *testing.T) {
	k, c, number := control(t)
	disk := &volume.Member{}
	key := bytes.Repeat([]byte{0x5a, 0xc3}, 16)
	crypt := volume.Target{Length: 64, Type: "crypt", Params: "aes-xts-plain64 $ 0 @ 0", Devices: []volume.Base{disk}, Key: key}
	d, err := c.Create("c", "", true, []volume.Target{crypt}, number)
	rig.Check(t, "creating", err)
	lines, err := c.Table("c")
	if err != nil || !strings.Contains(lines[0], "aes-xts-plain64 "+strings.Repeat("5ac3", 16)+" 0 ") {
		t.Error(lines, err)
	}
	if strings.Contains(crypt.Line(number), "5ac3") {
		t.Error("the key is in", crypt.Line(number))
	}
	sector(t, k, d.Node(), 0)
	crypt.Params = "aes-nonsense-plain64 $ 0 @ 0"
	if _, err := c.Create("d", "", true, []volume.Target{crypt}, number); err == nil || strings.Contains(err.Error(), "5ac3") {
		t.Error(err)
	}
	if strings.Contains(k.Dmesg(), "5ac3") {
		t.Error("the key is in the log")
	}
}
