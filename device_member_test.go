package unboot_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/probe"
)

// partitioned makes an ext4 with a file, at 1 MiB in an image of 64 MiB, in the one
// partition that the sfdisk script describes, and writes data at an offset.
func partitioned(t *testing.T, script string, off int64, data string) string {
	t.Helper()
	fsys := testimg.FS(t, "ext4", testimg.Options{Size: 32 << 20, Tree: true,
		Nodes: []testimg.Node{{Path: "inside", Mode: 0o644, Size: 5, Chunks: []testimg.Chunk{{Data: []byte("here\n")}}}}})
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "-q", image)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("sfdisk: %v: %s", err, out)
	}
	inner, err := os.ReadFile(fsys)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, w := range []struct {
		off  int64
		data string
	}{{1 << 20, string(inner)}, {off, data}} {
		if _, err := f.WriteAt([]byte(w.data), w.off); err != nil {
			t.Fatal(err)
		}
	}
	return image
}

const (
	isw       = "Intel Raid ISM Cfg Sig. 1.3.00\x00"
	oneDOS    = "label: dos\nstart=2048,size=65536,type=83\n"
	toTheEnd  = "label: dos\nstart=2048,type=83\n"
	oneLDM    = "label: dos\nstart=2048,size=65536,type=42\n"
	privhead  = "PRIVHEAD\x00\x00\x00\x00\x00\x02\x00\x0c"
	memberEnd = 64<<20 - 1024
)

// Superblocks of md at the end of 64 MiB.
var (
	md10 = "\xfc\x4e\x2b\xa9\x01\x00\x00\x00" + strings.Repeat("\x00", 136) + "\xf0\xff\x01\x00\x00\x00\x00\x00"
	// Of a component of 60 MiB.
	md090 = "\xfc\x4e\x2b\xa9\x00\x00\x00\x00\x5a\x00\x00\x00\x03\x00\x00\x00" +
		"\x00\x00\x00\x00\x01\x02\x03\x04\x00\x00\x00\x00\x01\x00\x00\x00\x00\xf0\x00\x00"
)

// A partition of a disk that is one half of a mirror, or a Windows dynamic disk, is no
// file system; it can be read if it is named, and never written to.
func TestMember(t *testing.T) {
	for name, c := range map[string]struct {
		script, data, kind string
		off                int64
	}{
		"Intel RAID":   {oneDOS, isw, "isw_raid_member", memberEnd},
		"DRBD":         {oneDOS, "\x83\x74\x02\x6d", "drbd", 64<<20 - 4096 + 60},
		"dynamic disk": {oneLDM, privhead, "ldm_member", 6 * 512},
		"its copy":     {oneLDM, privhead, "ldm_member", 64<<20 - 512},
		"md 1.0":       {oneDOS, md10, "linux_raid_member", 64<<20 - 8<<10},
		"md 0.90":      {oneDOS, md090, "linux_raid_member", 64<<20 - 64<<10},
		// At the end of the disk is also the end of the last partition.
		"md 0.90 of the partition": {toTheEnd, md090, "linux_raid_member", 64<<20 - 64<<10},
	} {
		t.Run(name, func(t *testing.T) {
			path := partitioned(t, c.script, c.off, c.data)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			img := open(t, path, unboot.Writable())
			d, err := img.Device("sda1")
			if err != nil {
				t.Fatal(err)
			}
			if d.Content == nil || d.Content.Type != c.kind || d.Content.Usage != probe.RAID || !slices.Equal(d.Content.Others, []string{"ext4"}) {
				t.Errorf("%+v", d.Content)
			}
			if list := img.FileSystems(); len(list) != 0 {
				t.Errorf("file systems: %v", list)
			}
			if f, err := img.MountAuto(); !errors.Is(err, unboot.ErrNoFileSystem) || !strings.Contains(err.Error(), "naming /dev/sda1") {
				t.Errorf("%v, %v", f, err)
			}
			for _, opts := range [][]unboot.MountOption{nil, {unboot.Type("ext4")}} {
				if f, err := img.Mount("sda1", opts...); !errors.Is(err, unix.EROFS) {
					t.Errorf("for writing: %v, %v", f, err)
				}
			}
			f, err := img.Mount("sda1", unboot.ReadOnly())
			if err != nil {
				t.Fatal(err)
			}
			if data, err := f.ReadFile("inside"); err != nil || string(data) != "here\n" {
				t.Errorf("%q, %v", data, err)
			}
			if err := f.Remount(".", false); err == nil {
				t.Error("made writable")
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Error("the image has changed", err)
			}
		})
	}
}

// A journal is not replayed into a member, although the image is open for writing.
func TestMemberJournal(t *testing.T) {
	testimg.Need(t, "debugfs")
	path := partitioned(t, oneDOS, memberEnd, isw)
	// debugfs marks it as one whose journal is to be replayed.
	inner := testimg.Extract(t, path, 1<<20, 32<<20)
	testimg.MustRun(t, "debugfs", "-w", "-R", "feature needs_recovery", inner)
	data, err := os.ReadFile(inner)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, 1<<20)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img := open(t, path, unboot.Writable())
	if fsys, err := img.Mount("sda1", unboot.ReadOnly()); err == nil {
		fsys.Unmount()
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("the image has changed", err)
	}
}

// Metadata where a partition lies are left from an earlier use of the disk, or what
// begins like a table of a dynamic disk is none.
func TestNoMember(t *testing.T) {
	for name, path := range map[string]string{
		"metadata in a partition": partitioned(t, toTheEnd, memberEnd, isw),
		"type without a header":   partitioned(t, oneLDM, 1<<20-512, "x"),
	} {
		img := open(t, path)
		f, err := img.MountAuto()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if data, err := f.ReadFile("inside"); err != nil || string(data) != "here\n" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// Real dynamic disks of Windows 2003 and 2008, with an MBR and with a GPT, of all kinds
// of volumes: nothing of them is a file system by itself.
func TestDynamicDisks(t *testing.T) {
	packed, _ := filepath.Glob("../shared/cases/files/mdbooth.libldm-*.img.xz")
	if len(packed) == 0 {
		t.Skip("the images of libldm are not there")
	}
	testimg.Need(t, "xz")
	for _, p := range packed {
		t.Run(filepath.Base(p), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.img")
			testimg.MustRun(t, "sh", "-c", "xz -dc "+p+" >"+path)
			img := open(t, path)
			var volumes []string
			for _, d := range img.Devices() {
				if d.Volume != nil {
					volumes = append(volumes, d.Name)
					continue
				}
				reserved := d.Partition != nil && d.Partition.TypeName == "Microsoft reserved"
				if member := d.Content != nil && d.Content.Type == "ldm_member"; member == reserved {
					t.Errorf("%s: %+v", d.Name, d.Content)
				}
			}
			f, err := img.MountAuto()
			if len(volumes) == 0 && !errors.Is(err, unboot.ErrNoFileSystem) {
				t.Errorf("%v, %v", f, err)
			}
			if len(volumes) > 0 && (err != nil || !slices.Contains(volumes, f.Mounts()[0].Device)) {
				t.Errorf("of %q: %v", volumes, err)
			}
		})
	}
}
