package crash

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// tools has the tools of the volumes look at the disks after all kills. They need no driver
// for the metadata; testvol.Verify is what has them activate the volumes.
func (c *stackCampaign) tools(t *testing.T) {
	t.Helper()
	c.others(t)
	switch kind, _, _ := strings.Cut(c.fixture, "-"); kind {
	case "lvm":
		c.pools(t)
		c.vgck(t)
	case "md":
		c.examine(t)
	case "luks2":
		testimg.MustRun(t, "cryptsetup", "luksDump", c.disks[0])
	}
}

// others reads the other volumes of the fixture: they are as they were.
func (c *stackCampaign) others(t *testing.T) {
	t.Helper()
	img := c.open(t)
	defer img.Close()
	for _, o := range testvol.Contents(t, c.fixture) {
		if c.format {
			continue
		}
		f, err := img.Mount(o.Node, unboot.ReadOnly())
		if err != nil {
			t.Errorf("%s: %v", o.Node, err)
			continue
		}
		if hello, err := f.ReadFile("hello.txt"); err != nil || strings.TrimSpace(string(hello)) != o.Hello {
			t.Errorf("%s: %q, %v", o.Node, hello, err)
		}
		rig.Check(t, "unmount", f.Unmount())
	}
	rig.Check(t, "close", img.Close())
}

// metadataCheckers are the programs that check the metadata of pools and caches, by the ends of the
// names of the volumes that hold it.
var metadataCheckers = map[string]string{
	"_tmeta": "thin_check",
	"_cmeta": "cache_check",
}

// pools has the metadata of thin pools and caches checked, from hidden volumes as they are
// in the kernel.
func (c *stackCampaign) pools(t *testing.T) {
	t.Helper()
	img := c.open(t)
	defer img.Close()
	k := img.Kernel()
	fd, err := k.Open("/sys/block", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	rig.Check(t, "open", err)
	defer k.CloseFd(fd)
	for e, err := range k.ReadDir(fd, 0, 0) {
		rig.Check(t, "readdir", err)
		name, err := k.ReadFile("/sys/block/"+e.Name+"/dm/name", 4096)
		if err != nil {
			continue
		}
		for end, checker := range metadataCheckers {
			if !strings.HasSuffix(strings.TrimSpace(string(name)), end) {
				continue
			}
			if _, err := testimg.Tool(checker); err != nil {
				t.Log(err)
				continue
			}
			path := filepath.Join(t.TempDir(), e.Name)
			f, err := img.OpenNode("/dev/"+e.Name, unix.O_RDONLY)
			rig.Check(t, "open", err)
			out, err := os.Create(path)
			rig.Check(t, "create", err)
			_, err = io.Copy(out, f)
			rig.Check(t, "copy", err)
			f.Close()
			out.Close()
			if text, err := testimg.Run(checker, path); err != nil {
				t.Errorf("%s of %s: %v\n%s", checker, strings.TrimSpace(string(name)), err, text)
			}
		}
	}
}

// loop attaches a range of a disk to the host.
func loop(t *testing.T, disk string, offset, size int64) string {
	t.Helper()
	testimg.NeedRoot(t)
	testimg.Need(t, "losetup")
	out, err := testimg.Run("losetup", "-f", "-r", "--show", "-o", fmt.Sprint(offset), "--sizelimit", fmt.Sprint(size), disk)
	if err != nil {
		t.Skipf("losetup: %v", err)
	}
	loop := strings.TrimSpace(out)
	t.Cleanup(func() { testimg.Run("losetup", "-d", loop) })
	return loop
}

// vgck has LVM read its metadata from the disks, and only from those.
func (c *stackCampaign) vgck(t *testing.T) {
	t.Helper()
	testimg.Need(t, "lvm")
	var loops []string
	for _, d := range c.disks {
		loops = append(loops, loop(t, d, 0, 0))
	}
	devices := "--devices=" + strings.Join(loops, ",")
	config := "--config=global{use_lvmpolld=0 event_activation=0} activation{monitoring=0 udev_sync=0}"
	for _, args := range [][]string{{"vgck"}, {"pvck"}, {"lvs", "-a", "--noheadings", "-o", "lv_full_name,lv_attr"}} {
		if args[0] == "pvck" {
			args = append(args, loops...)
		}
		out, err := testimg.Run("lvm", append(args, devices, config)...)
		if err != nil {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
		for _, word := range []string{"WARNING", "Missing", "checksum", "partial", "inconsistent"} {
			if strings.Contains(out, word) {
				t.Errorf("%q: %s", args, out)
			}
		}
	}
}

// examine has mdadm read the superblocks.
func (c *stackCampaign) examine(t *testing.T) {
	t.Helper()
	testimg.Need(t, "mdadm")
	img := c.open(t)
	defer img.Close()
	n := 0
	for _, d := range img.Devices() {
		if d.Partition == nil || d.Content == nil || d.Content.Type != "linux_raid_member" {
			continue
		}
		disk := c.disks[d.Name[len("/dev/sd")]-'a']
		out, err := testimg.Run("mdadm", "--examine", loop(t, disk, d.Partition.Start, d.Size))
		if err != nil || !strings.Contains(out, " - correct") {
			t.Errorf("%s: %v\n%s", d.Name, err, out)
		}
		n++
	}
	if n == 0 {
		t.Error("there are no superblocks")
	}
}
