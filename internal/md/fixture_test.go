package md_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/md"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
	mdvol "github.com/unboot/unboot/volume/md"
	"github.com/unboot/unboot/volume/probe"
)

// fixture attaches a fixture's disks with overlays, and returns all that look like members
// of arrays on them, partitions as well.
func fixture(t *testing.T, k *lkl.Kernel, name string) *disks {
	t.Helper()
	d := &disks{k: k, names: map[volume.Base]string{}}
	for i, p := range testvol.Unpack(t, name) {
		disk, err := rig.AttachOverlay(k, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := rig.Open(t, p, os.O_RDONLY)
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			t.Fatal(err)
		}
		node := fmt.Sprintf("/dev/sd%c", 'a'+i)
		add := func(m *volume.Member, kernel string) bool {
			m.SectorSize = 512
			look := probe.Partition
			if m.Disk {
				look = probe.Probe
			}
			if m.Info, err = look(m.R, m.Size); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(mdvol.Type.Members, m.Info.Type) {
				return false
			}
			d.members = append(d.members, m)
			d.names[m] = kernel
			return true
		}
		if add(&volume.Member{R: f, Size: size, Name: node, Disk: true}, disk) {
			continue
		}
		for n := 1; ; n++ {
			kernel := fmt.Sprint(disk, n)
			start, size := sysfs(k, disk+"/"+kernel+"/start"), sysfs(k, disk+"/"+kernel+"/size")
			if size == 0 {
				break
			}
			add(&volume.Member{R: io.NewSectionReader(f, start*512, size*512), Size: size * 512, Name: fmt.Sprint(node, n)}, disk+"/"+kernel)
		}
	}
	return d
}

// mapPart has the kernel show a part of a disk that is a member.
func (d *disks) mapPart(t *testing.T, v *volume.Volume) {
	t.Helper()
	control, err := dm.Open(d.k)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	made, err := control.Create(v.Name, v.UUID, v.ReadOnly, v.Table, d.dev)
	if err != nil {
		t.Fatal(err)
	}
	d.names[v] = path.Base(made.Node())
}

// sysfs returns a number that the kernel shows of a block device, or 0.
func sysfs(k *lkl.Kernel, name string) int64 {
	text, _ := k.ReadFile("/sys/block/"+name, 64)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// detail returns what `mdadm --detail` says of each array, by UUID.
func detail(t *testing.T, name string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for section := range strings.SplitSeq(testvol.Record(t, name, "detail.txt"), "# ") {
		fields := map[string]string{}
		first, rest, _ := strings.Cut(section, "\n")
		fields["node"] = "/dev/" + first
		for line := range strings.Lines(rest) {
			if name, value, ok := strings.Cut(line, " : "); ok {
				fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
			if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "MD_") {
				fields[name] = value
			}
		}
		all[fields["MD_UUID"]] = fields
	}
	return all
}

// TestFixtures opens the arrays that mdadm made: their shape is as it says, and the files on
// them are right. Nothing of it changes the images.
func TestFixtures(t *testing.T) {
	found := false
	for _, name := range testvol.Names() {
		if !strings.HasPrefix(name, "md-") {
			continue
		}
		found = true
		t.Run(name, func(t *testing.T) {
			for _, p := range testvol.Unpack(t, name) {
				defer rig.Unchanged(t, p)()
			}
			k := rig.Boot(t, &lkl.Config{})
			d := fixture(t, k, name)
			var said map[string]map[string]string
			if name != "md-dirty" {
				said = detail(t, name)
			}
			volumes := mdvol.Type.Open(context.Background(), d.members, nil)
			nodes := map[string]string{} // those of the kernel by those of the users
			arrays := 0
			for _, v := range volumes {
				if v.Table != nil {
					d.mapPart(t, v)
					continue
				}
				i := arrays
				arrays++
				if v.Array == nil {
					t.Errorf("%s cannot be used: %q", v.Nodes, v.Problems)
					continue
				}
				node, err := md.Assemble(k, 127-i, v.Array, d.dev, false)
				if err != nil {
					t.Fatal(err)
				}
				defer md.Stop(k, 127-i)
				if size := sysfs(k, path.Base(node)+"/size") * 512; size != v.Size {
					t.Errorf("%s has %d bytes, the plan %d", node, size, v.Size)
				}
				for _, n := range v.Nodes {
					nodes[n] = node
				}
				if said != nil {
					nodes[compare(t, v, said)] = node
				}
			}
			if said != nil && arrays != len(said)-1 {
				t.Errorf("%d arrays, mdadm has %d", arrays, len(said)-1)
			}
			for _, c := range testvol.Contents(t, name) {
				array, part, _ := strings.Cut(c.Node, ":")
				device := nodes[array]
				if part != "" {
					device += "p" + part
				}
				if fd, err := k.Open(nodes[array], os.O_RDONLY, 0); err == nil {
					k.CloseFd(fd) // then the kernel looks for partitions
				}
				files(t, k, path.Base(device), c)
			}
		})
	}
	if !found {
		t.Skip("there are no fixtures of arrays")
	}
}

// files mounts a file system and looks at its files.
func files(t *testing.T, k *lkl.Kernel, device string, c testvol.Content) {
	t.Helper()
	dir, err := rig.Mount(k, device, c.FS, 0, "")
	if err != nil {
		t.Errorf("mount %s, %s: %v", c.Node, device, err)
		return
	}
	defer k.Unmount(dir, 0)
	hello, err := k.ReadFile(dir+"/hello.txt", 4096)
	if err != nil || strings.TrimSpace(string(hello)) != c.Hello {
		t.Errorf("%s: hello.txt %q, want %q: %v", c.Node, hello, c.Hello, err)
	}
	data, err := k.ReadFile(dir+"/data", c.Size+1)
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || sum != c.SHA256 {
		t.Errorf("%s: %d bytes of data with the hash %s: %v", c.Node, len(data), sum, err)
	}
}

// compare compares an array with what `mdadm --detail` says, and returns the node that it
// names.
func compare(t *testing.T, v *volume.Volume, said map[string]map[string]string) string {
	t.Helper()
	want := said[v.UUID]
	a := v.Info.(*mdvol.Array)
	if want == nil {
		t.Errorf("mdadm has no array %s", v.UUID)
		return ""
	}
	size, _, _ := strings.Cut(want["Array Size"], " ")
	devices := 0
	for _, d := range a.Devices {
		if d.State != mdvol.StateStale {
			devices++
		}
	}
	got := map[string]string{
		"MD_LEVEL": mdvol.LevelName(a.Level), "MD_DEVICES": fmt.Sprint(a.RaidDisks), "Active Devices": fmt.Sprint(a.Active),
		"Total Devices": fmt.Sprint(devices),
	}
	if a.Container == "" {
		got["MD_METADATA"], got["MD_NAME"], got["State"] = a.Version(), a.Name, a.State()
	}
	for field, value := range got {
		if value != want[field] {
			t.Errorf("%s: %s is %q, mdadm says %q", want["node"], field, value, want[field])
		}
	}
	if size != fmt.Sprint(v.Size>>10) {
		t.Errorf("%s: %d KiB, mdadm says %s", want["node"], v.Size>>10, size)
	}
	if layout := mdvol.LayoutName(a.Level, a.Layout); layout != want["Layout"] && want["Layout"] != "-unknown-" {
		t.Errorf("%s: layout %q, mdadm says %q", want["node"], layout, want["Layout"])
	}
	return want["node"]
}
