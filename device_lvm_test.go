package unboot_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume/lvm"
)

// writtenFixtures are those whose volumes are written to by tests.
var writtenFixtures = []string{"lvm-linear", "lvm-raid", "lvm-snapshot", "lvm-thin", "lvm-cache"}

// writtenData is what writeLVM writes to every volume of a fixture.
func writtenData(name string) string { return strings.Repeat(name+" was written to\n", 20000) }

// writeLVM writes a file to each volume of a private copy of a fixture, apart from its
// snapshots. It returns the disks, and the volumes that were written to.
func writeLVM(t *testing.T, name string) (paths []string, written []testvol.Content) {
	t.Helper()
	paths = testvol.Writable(t, name)
	img := openDisks(t, paths, unboot.Writable())
	for _, c := range testvol.Contents(t, name) {
		fs, err := img.Mount(c.Node)
		if c.Node == "/dev/vgt/ext" { // the origin of others is read-only
			if err != nil || !fs.ReadOnly() {
				t.Errorf("%s: %v", c.Node, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.Node, err)
			continue
		}
		if !strings.Contains(c.Node, "snap") {
			if err := fs.WriteFile("new", []byte(writtenData(name)), 0o644); err != nil {
				t.Errorf("%s: %v", c.Node, err)
			}
			written = append(written, c)
		}
		if err := fs.Close(); err != nil {
			t.Errorf("%s: %v", c.Node, err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	if len(written) == 0 {
		t.Fatal("nothing was written")
	}
	return paths, written
}

// TestLVMWritten holds that what is written to volumes of all kinds is there when they are
// opened again, and that the snapshots still show what was before.
func TestLVMWritten(t *testing.T) {
	for _, name := range writtenFixtures {
		t.Run(name, func(t *testing.T) {
			paths, written := writeLVM(t, name)
			img := openDisks(t, paths)
			for _, c := range testvol.Contents(t, name) {
				rig.Check(t, c.Node, checkContent(img, c))
				fs, err := img.Mount(c.Node, unboot.ReadOnly())
				if err != nil {
					t.Errorf("%s: %v", c.Node, err)
					continue
				}
				got, err := fs.ReadFile("new")
				if want := slices.Contains(written, c); want != (err == nil) || want && string(got) != writtenData(name) {
					t.Errorf("%s: new has %d bytes, %v", c.Node, len(got), err)
				}
				fs.Close()
			}
		})
	}
}

// TestLVMForLVM has LVM itself look at what was written: it finds the metadata, the parity
// and the file systems in order, and the same content.
func TestLVMForLVM(t *testing.T) {
	testvol.NeedAppliance(t)
	var sets []testvol.Set
	written := map[string][]testvol.Content{}
	for _, name := range writtenFixtures {
		set := testvol.Set{Name: strings.TrimPrefix(name, "lvm-")}
		set.Disks, written[set.Name] = writeLVM(t, name)
		sets = append(sets, set)
	}
	sum := func(data string) string {
		h := sha256.Sum256([]byte(data))
		return hex.EncodeToString(h[:])
	}
	for name, r := range testvol.Verify(t, sets...) {
		for _, c := range testvol.Contents(t, "lvm-"+name) {
			vg, lv, _ := strings.Cut(strings.TrimPrefix(c.Node, "/dev/"), "/")
			v := r.Volume("/dev/mapper/" + lvm.QuoteName(vg, lv))
			want := ""
			if slices.Contains(written[name], c) {
				want = sum(writtenData("lvm-" + name))
			}
			if v == nil || !v.Mounted || v.Fsck != "0" || v.Files["data"] != c.SHA256 || v.Files["new"] != want {
				t.Errorf("%s: %+v\n%s", c.Node, v, r.Record["checks.txt"])
			}
		}
		if !strings.HasSuffix(r.Record["vgck.txt"], "exit status 0\n") {
			t.Errorf("%s: vgck: %s", name, r.Record["vgck.txt"])
		}
		for line := range strings.Lines(r.Record["health.txt"]) {
			for _, word := range strings.Fields(line)[1:] {
				if word != "0" {
					t.Errorf("%s: %s", name, line)
				}
			}
		}
	}
}

// TestLVMCopies gives two copies of a disk together: nobody could say which of them is the
// right one.
func TestLVMCopies(t *testing.T) {
	paths := append(testvol.Unpack(t, "lvm-names"), testvol.Writable(t, "lvm-names")...)
	img := openDisks(t, paths)
	for _, d := range img.Devices() {
		if d.Kind == "lvm" {
			t.Errorf("%s is open", d.Name)
		}
		if len(d.Problems) == 0 || !strings.Contains(d.Problems[0], "2 devices have the UUID") {
			t.Errorf("%s: %q", d.Name, d.Problems)
		}
	}
	inactive := img.Inactive()
	if len(inactive) != 3 {
		t.Errorf("%d volumes are not open", len(inactive))
	}
	for _, v := range inactive {
		if len(v.Problems) == 0 || !strings.Contains(v.Problems[0], "is there 2 times (/dev/sda, /dev/sdb)") {
			t.Errorf("%s: %q", v.Name, v.Problems)
		}
	}
}

// Images of other projects: a disk in the VHDX format and a thin pool.
func TestLVMOfOthers(t *testing.T) {
	packed := "../shared/cases/files/LTRData.DiscUtils-lvm2.vhdx.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("the image of DiscUtils is not there")
	}
	testimg.Need(t, "xz", "qemu-img")
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.img")
	testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" >"+dir+"/disk.vhdx")
	testimg.MustRun(t, "qemu-img", "convert", "-O", "raw", dir+"/disk.vhdx", raw)
	img := open(t, raw)
	for node, want := range map[string]string{"/dev/test/vol01": "ext3 1283457024", "/dev/mapper/test-fat": "vfat 746586112", "/dev/test/ntfs": "ntfs 1178599424"} {
		d, err := img.Device(node)
		if err != nil {
			t.Error(err)
			continue
		}
		kind, size, _ := strings.Cut(want, " ")
		if d.Content == nil || d.Content.Type != kind || strconv.FormatInt(d.Size, 10) != size {
			t.Errorf("%s: %+v, %d bytes", node, d.Content, d.Size)
		}
		fs, err := img.Mount(node, unboot.ReadOnly())
		if err != nil {
			t.Error(err)
			continue
		}
		fs.Close()
	}
}

// TestLVMDamaged holds that volumes in a pool which the kernel refuses say why, although the
// pool is nothing that anybody sees.
func TestLVMDamaged(t *testing.T) {
	disks := testvol.Writable(t, "lvm-thin")
	f, err := os.OpenFile(disks[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var start int64
	if _, err := fmt.Sscanf(testvol.Table(t, "lvm-thin")["vgt-pool_tmeta"], "0 4096 linear <sda> %d", &start); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("no superblock"), 300), start*512); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	img := open(t, disks[0])
	for _, node := range []string{"/dev/vgt/thin", "/dev/vgt/snap", "/dev/vgt/onext"} {
		for _, words := range []string{"vgt-pool-tpool, which it lies on: ", "superblock"} {
			if err := checkInactive(img, node, words); err != nil {
				t.Errorf("%s: %v", node, err)
			}
		}
	}
	c := testvol.Contents(t, "lvm-thin")[2] // on the disk itself
	if err := checkContent(img, c); err != nil {
		t.Error(err)
	}
}
