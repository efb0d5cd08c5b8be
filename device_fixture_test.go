package unboot_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// openDisks opens an image of several disks.
func openDisks(t *testing.T, disks []string, opts ...unboot.Option) *unboot.Image {
	t.Helper()
	for _, d := range disks[1:] {
		opts = append(opts, unboot.AddDisk(d))
	}
	return open(t, disks[0], opts...)
}

// nowDevice returns a device as it is now: opening what is on it changes that.
func nowDevice(t *testing.T, img *unboot.Image, name string) *unboot.Device {
	t.Helper()
	d, err := img.Device(name)
	rig.Check(t, name, err)
	return d
}

// phrase returns a passphrase with its parameters, by their names and values.
func phrase(secret string, params ...string) volume.Key {
	k := volume.Key{Kind: volume.Passphrase, Secret: []byte(secret), Params: map[string]string{}}
	for i := 0; i+1 < len(params); i += 2 {
		k.Params[params[i]] = params[i+1]
	}
	return k
}

// fixtureKey returns the key of what is locked on a device of a fixture.
func fixtureKey(t *testing.T, fixture, device string) (key volume.Key, ok bool) {
	switch fixture + " " + device {
	case "crypt-plain /dev/sda":
		return phrase("secret", "cipher", "aes-cbc-essiv:sha256", "size", "256", "hash", "ripemd160"), true
	case "crypt-plain /dev/sdb":
		file := testvol.Record(t, fixture, "keyfile.txt")
		return phrase(file[:64], "cipher", "aes-xts-plain64", "size", "512", "hash", "plain", "offset", "64", "skip", "32"), true
	case "luks2-detached /dev/sda":
		return phrase("secret", "header", "/dev/sdb"), true
	case "luks2-keyfile /dev/sda":
		return phrase(testvol.Record(t, fixture, "keyfile.txt")[100:164]), true
	case "luks2-slots /dev/sda":
		return phrase("second"), true
	}
	return phrase("secret"), false
}

// openFixture opens the disks of a fixture, with the keys of what is locked on them.
func openFixture(t *testing.T, name string, disks []string, opts ...unboot.Option) *unboot.Image {
	t.Helper()
	return openDisks(t, disks, append(opts, unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		key, named := fixtureKey(t, name, d.Name)
		if try > 0 || d.Content == nil && !named {
			return volume.Key{}, unboot.ErrNoKey
		}
		return key, nil
	}))...)
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

// changeByte inverts a byte of a file.
func changeByte(t *testing.T, path string, off int64) {
	t.Helper()
	f := rig.Open(t, path, os.O_RDWR)
	b := make([]byte, 1)
	_, err := f.ReadAt(b, off)
	rig.Check(t, "read", err)
	b[0] ^= 0xff
	_, err = f.WriteAt(b, off)
	rig.Check(t, "write", err)
}
