package unboot_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// volumes opens the disks of a fixture, with the key that fits most of them.
func volumes(t *testing.T, disks []string, opts ...unboot.Option) *unboot.Image {
	for _, d := range disks[1:] {
		opts = append(opts, unboot.AddDisk(d))
	}
	opts = append(opts, unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if d.Content == nil || try > 0 {
			return volume.Key{}, unboot.ErrNoKey
		}
		return volume.Key{Kind: volume.Passphrase, Secret: []byte("secret")}, nil
	}))
	return open(t, disks[0], opts...)
}

// checkContent mounts a volume and compares its files with what the tools wrote.
func checkContent(img *unboot.Image, c testvol.Content) error {
	node, number, partition := strings.Cut(c.Node, ":")
	d, err := img.Device(node)
	if err != nil {
		if d = renamed(img, c.Hello); d == nil {
			return err
		}
	}
	if partition {
		var found *unboot.Device
		for _, o := range d.Children() {
			if o.Partition != nil && fmt.Sprint(o.Partition.Number) == number {
				found = o
			}
		}
		if found == nil {
			return fmt.Errorf("%s has no partition %s", node, number)
		}
		d = found
	}
	f, err := img.Mount(d.Name, unboot.ReadOnly())
	if err != nil {
		return err
	}
	defer f.Unmount()
	hello, err := f.ReadFile("hello.txt")
	if err != nil || strings.TrimSpace(string(hello)) != c.Hello {
		return fmt.Errorf("hello.txt is %q, want %q: %v", hello, c.Hello, err)
	}
	data, err := f.ReadFile("data")
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || int64(len(data)) != c.Size || sum != c.SHA256 {
		return fmt.Errorf("data is %d bytes with the sum %s, want %d with %s: %v", len(data), sum, c.Size, c.SHA256, err)
	}
	return nil
}

// renamed returns the volume of a file system whose name in the record is not in the
// metadata, but was given when the volume was opened; or nil.
func renamed(img *unboot.Image, hello string) *unboot.Device {
	for _, d := range img.FileSystems() {
		f, err := img.Mount(d.Name, unboot.ReadOnly())
		if err != nil {
			continue
		}
		text, _ := f.ReadFile("hello.txt")
		f.Unmount()
		if strings.TrimSpace(string(text)) == hello {
			return d
		}
	}
	return nil
}

// describe prints what there is, for a test that failed.
func describe(img *unboot.Image) string {
	var b strings.Builder
	for _, d := range img.Devices() {
		fmt.Fprintf(&b, "%s %v %s %d", d, d.Aliases, d.Kind, d.Size)
		if d.Locked != nil {
			fmt.Fprintf(&b, " locked: %+v", *d.Locked)
		}
		fmt.Fprintln(&b)
	}
	for _, v := range img.Inactive() {
		fmt.Fprintln(&b, "inactive:", v.Name, v.Problems, v.Err)
	}
	return b.String() + strings.Join(img.Problems(), "\n")
}

// closed are the volumes of the fixtures that do not open, by their nodes, and what is said
// of them.
var closed = map[string]string{
	"/dev/vgx/lv":      "exported",
	"/dev/vgp/gone":    "is missing",
	"/dev/vgp/striped": "is missing",
	"/dev/vgp/both":    "is missing",
}

// elsewhere are the fixtures that need other keys, or whose record names the device below
// the volume: they have tests of their own.
var elsewhere = map[string]bool{"crypt-plain": true, "verity-fec": true, "verity-gpt": true}

// A snapshot is not a second file system to choose from: what it was made of is meant.
func TestMountAutoSnapshot(t *testing.T) {
	img := volumes(t, testvol.Unpack(t, "lvm-snapshot"))
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err, describe(img))
	}
	if m := f.Mounts(); len(m) != 1 || m[0].Device != "/dev/vgs/orig" {
		t.Error(m)
	}
	if f, err := img.Mount("/dev/vgs/snap"); err != nil {
		t.Error(err)
	} else if err := f.Unmount(); err != nil {
		t.Error(err)
	}
}

// checkInactive looks for what is said of a volume that cannot be used.
func checkInactive(img *unboot.Image, node, words string) error {
	for _, v := range img.Inactive() {
		if slices.Contains(v.Nodes, node) {
			if text := fmt.Sprint(v.Problems, v.Err); !strings.Contains(text, words) {
				return fmt.Errorf("%s does not say %q", text, words)
			}
			return nil
		}
	}
	return fmt.Errorf("is not said to be inactive")
}

// The volumes of all fixtures open by themselves, have what the tools wrote to them, and
// reading them changes no byte of the disks.
func TestVolumes(t *testing.T) {
	for _, name := range testvol.Names() {
		if strings.HasPrefix(name, "luks") {
			continue // TestLUKSFixtures
		}
		t.Run(name, func(t *testing.T) {
			disks := testvol.Unpack(t, name)
			for _, d := range disks {
				defer rig.Unchanged(t, d)()
			}
			img := volumes(t, disks)
			failed := false
			for _, c := range testvol.Contents(t, name) {
				if !strings.HasPrefix(c.Node, "/dev/") || elsewhere[name] {
					continue
				}
				err := checkContent(img, c)
				if words := closed[c.Node]; words != "" {
					err = checkInactive(img, c.Node, words)
				}
				if err != nil {
					t.Errorf("%s: %v", c.Node, err)
					failed = true
				}
			}
			if failed {
				t.Log(describe(img))
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the kernel has loaded is what the real tools load, apart from numbers.
func TestVolumeTables(t *testing.T) {
	img := volumes(t, testvol.Unpack(t, "lvm-linear"))
	control, err := dm.Open(img.Kernel())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for name, want := range testvol.Table(t, "lvm-linear") {
		got, err := control.Table(name)
		if err != nil || len(got) != strings.Count(want, "\n")+1 {
			t.Errorf("%s: %q, want %q: %v", name, got, want, err)
		}
	}
}
