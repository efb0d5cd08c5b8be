package unboot_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// recordedContent checks the files that a fixture's file system has.
func recordedContent(t *testing.T, fs *unboot.FS, c testvol.Content) {
	t.Helper()
	if hello, err := fs.ReadFile("hello.txt"); err != nil || strings.TrimSpace(string(hello)) != c.Hello {
		t.Errorf("%s: hello.txt is %q, %v", c.Node, hello, err)
	}
	f, err := fs.Open("data")
	if err != nil {
		t.Errorf("%s: %v", c.Node, err)
		return
	}
	defer f.Close()
	h := sha256.New()
	if n, err := io.Copy(h, f); err != nil || n != c.Size || hex.EncodeToString(h.Sum(nil)) != c.SHA256 {
		t.Errorf("%s: data has %d bytes, and should have %d with the recorded hash: %v", c.Node, n, c.Size, err)
	}
}

// mountNode mounts what a fixture's record names; "PATH:2" is a partition on a volume.
func mountNode(img *unboot.Image, node string) (*unboot.FS, error) {
	base, partition, on := strings.Cut(node, ":")
	if !on {
		return img.Mount(node, unboot.ReadOnly())
	}
	d, err := img.Device(base)
	if err != nil {
		return nil, err
	}
	for _, child := range d.Children() {
		if child.Partition != nil && strings.HasSuffix(child.Name, partition) {
			return img.Mount(child.Name, unboot.ReadOnly())
		}
	}
	return nil, unboot.ErrNotFound
}

// TestLVM opens what LVM made: volumes of all kinds, and reads what is in them. Nothing is
// written to the disks.
func TestLVM(t *testing.T) {
	for _, name := range testvol.Names() {
		if !strings.HasPrefix(name, "lvm-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			paths := testvol.Unpack(t, name)
			before := sums(t, paths)
			img := openDisks(t, paths)
			closed := map[string]bool{}
			for _, v := range img.Inactive() {
				if v.Err != nil || len(v.Problems) == 0 {
					t.Errorf("%s: %q, %v", v.Name, v.Problems, v.Err)
				}
				closed[v.Nodes[0]] = true
			}
			for _, c := range testvol.Contents(t, name) {
				if closed[c.Node] {
					continue
				}
				fs, err := mountNode(img, c.Node)
				if err != nil {
					t.Errorf("%s: %v", c.Node, err)
					continue
				}
				recordedContent(t, fs, c)
				fs.Close()
			}
			want := map[string][]string{
				"lvm-exported": {"/dev/vgx/lv"},
				"lvm-partial":  {"/dev/vgp/both", "/dev/vgp/gone", "/dev/vgp/striped"},
			}[name]
			var got []string
			for node := range closed {
				got = append(got, node)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%q are not open, and should be %q", got, want)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			if sums(t, paths) != before {
				t.Error("the disks have changed")
			}
		})
	}
}

// TestLVMWritten holds that what is written to volumes of all kinds is there when they are
// opened again, and that the snapshots still show what was before.
func TestLVMWritten(t *testing.T) {
	for _, name := range []string{"lvm-linear", "lvm-raid", "lvm-snapshot", "lvm-thin", "lvm-cache"} {
		t.Run(name, func(t *testing.T) {
			paths := testvol.Writable(t, name)
			data := strings.Repeat(name+" was written to\n", 20000)
			var written []testvol.Content
			img := openDisks(t, paths, unboot.Writable())
			for _, c := range testvol.Contents(t, name) {
				d, err := img.Device(c.Node)
				if err != nil {
					t.Error(err)
					continue
				}
				fs, err := img.Mount(c.Node)
				if c.Node == "/dev/vgt/ext" { // the origin of others is read-only
					if !errors.Is(err, unix.EACCES) {
						t.Errorf("%s: %v", d.Name, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", d.Name, err)
					continue
				}
				if !fs.ReadOnly() && !strings.Contains(c.Node, "snap") {
					if err := fs.WriteFile("new", []byte(data), 0o644); err != nil {
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
				t.Error("nothing was written")
			}
			img = openDisks(t, paths)
			for _, c := range testvol.Contents(t, name) {
				fs, err := img.Mount(c.Node, unboot.ReadOnly())
				if err != nil {
					t.Errorf("%s: %v", c.Node, err)
					continue
				}
				recordedContent(t, fs, c)
				got, err := fs.ReadFile("new")
				if want := slices.Contains(written, c); want != (err == nil) || want && string(got) != data {
					t.Errorf("%s: new has %d bytes, %v", c.Node, len(got), err)
				}
				fs.Close()
			}
		})
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
