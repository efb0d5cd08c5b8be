package unboot_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// secretKey is the passphrase of the fixtures.
func secretKey() unboot.Option {
	return unboot.Keys(func(_ *unboot.Device, try int) (volume.Key, error) {
		if try > 0 {
			return volume.Key{}, unboot.ErrNoKey
		}
		return volume.Key{Kind: volume.Passphrase, Secret: []byte("secret")}, nil
	})
}

// uuid returns what blkid calls a device of an image.
func uuid(t *testing.T, img *unboot.Image, device string) string {
	t.Helper()
	d, err := img.Device(device)
	if err != nil || d.Content == nil || d.Content.UUID == "" {
		t.Fatalf("%s has no UUID: %v", device, err)
	}
	return d.Content.UUID
}

// guests are systems on the fixtures' volumes, as installers make them. In their files,
// {DEVICE} stands for the UUID of what is on a device, and {#DEVICE} for that of an array.
var guests = []struct {
	name, fixture, root string
	files               map[string]string
	mounts              []string // devices and directories
}{
	{"fedora on lvm", "lvm-linear", "/dev/vg0/root", map[string]string{
		"etc/fstab": "/dev/vg0/root / ext4 defaults 0 0\n/dev/mapper/vg0-span /boot ext4 defaults 0 0\n/dev/mapper/vg0-swap none swap sw 0 0\n",
	}, []string{"/dev/vg0/root .", "/dev/vg0/span boot"}},
	{"debian on lvm, divided", "lvm-raid", "/dev/vgr/raid5", map[string]string{
		"etc/fstab": "/dev/mapper/vgr-raid5 / ext4 errors=remount-ro 0 1\n/dev/vgr/striped /usr ext4 defaults 0 2\n" +
			"UUID={/dev/vgr/raid1} /var ext4 defaults 0 2\n/dev/disk/by-id/dm-name-vgr-raid10 /srv ext4 nofail 0 2\n/dev/mapper/vgr-raid6 /home ext4 defaults 0 2\n",
	}, []string{"/dev/vgr/raid5 .", "/dev/vgr/striped usr", "/dev/vgr/raid1 var", "/dev/vgr/raid6 home"}},
	{"fedora on md", "md-levels", "/dev/md/r1", map[string]string{
		"etc/fstab":      "/dev/md/r1 / ext4 defaults 0 0\n/dev/md0 /boot ext4 defaults 0 0\nUUID={/dev/md/r6} /home ext4 defaults 0 0\n",
		"etc/mdadm.conf": "MAILADDR root\nARRAY /dev/md0 UUID={#/dev/md/r10}\n",
	}, []string{"/dev/md/r1 .", "/dev/md/r10 boot", "/dev/md/r6 home"}},
	{"luks on lvm", "stack-luks-on-lvm", "CRYPT", map[string]string{
		"etc/fstab":    "/dev/mapper/cryptroot / ext4 defaults 0 0\n",
		"etc/crypttab": "cryptroot /dev/vg/secret none luks\n",
	}, []string{"CRYPT ."}},
	{"lvm on luks", "stack-lvm-on-luks", "/dev/vg/root", map[string]string{
		"etc/fstab":    "/dev/mapper/vg-root / ext4 defaults 0 0\nUUID={/dev/sda1} /boot ext4 defaults 0 0\n/dev/vg/swap none swap sw 0 0\n",
		"etc/crypttab": "sda2_crypt UUID={/dev/sda2} none luks,discard\n",
	}, []string{"/dev/vg/root .", "/dev/sda1 boot"}},
	{"lvm on luks on md", "stack-md-luks-lvm", "/dev/vg/root", map[string]string{
		"etc/fstab": "UUID={/dev/vg/root} / ext4 defaults 0 0\n",
	}, []string{"/dev/vg/root ."}},
}

// expand puts UUIDs into the text of a file.
func expand(t *testing.T, img *unboot.Image, text string) string {
	for {
		before, rest, ok := strings.Cut(text, "{")
		if !ok {
			return text
		}
		device, after, _ := strings.Cut(rest, "}")
		if name, array := strings.CutPrefix(device, "#"); array {
			d, err := img.Device(name)
			if err != nil {
				t.Fatal(err)
			}
			device = d.Volume.UUID
		} else {
			device = uuid(t, img, device)
		}
		text = before + device + after
	}
}

// crypt returns the name of a device: of the encrypted volume where that is CRYPT.
func crypt(img *unboot.Image, name string) string {
	for _, d := range img.Devices() {
		if name == "CRYPT" && d.Kind == unboot.KindCrypt {
			return d.Name
		}
		if slices.Contains(d.Aliases, name) {
			return d.Name
		}
	}
	return name
}

// Systems on any stack are found, and what their fstab names by volumes, their mapper's
// names, arrays, crypttab and UUIDs is mounted with them.
func TestGuestsOnVolumes(t *testing.T) {
	for _, g := range guests {
		t.Run(g.name, func(t *testing.T) {
			disks := testvol.Writable(t, g.fixture)
			img := openDisks(t, disks, unboot.Writable(), secretKey())
			f, err := img.Mount(crypt(img, g.root))
			if err != nil {
				t.Fatal(err)
			}
			// They fill the file system, which has few inodes.
			err = errors.Join(f.RemoveAll("data"), f.RemoveAll("hello.txt"), f.RemoveAll("lost+found"), f.Mkdir("etc", 0o755))
			for _, m := range g.mounts {
				_, dir, _ := strings.Cut(m, " ")
				err = errors.Join(err, f.MkdirAll(dir, 0o755))
			}
			for name, text := range g.files {
				err = errors.Join(err, f.WriteFile(name, []byte(expand(t, img, text)), 0o644))
			}
			err = errors.Join(err, f.WriteFile("etc/os-release", []byte("ID=test\nPRETTY_NAME=\"A test\"\n"), 0o644), f.Unmount(), img.Close())
			if err != nil {
				t.Fatal(err)
			}
			img = openDisks(t, disks, secretKey())
			f, err = img.MountAuto()
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, m := range f.Mounts() {
				got = append(got, m.Device+" "+m.Dir)
			}
			for _, m := range g.mounts {
				device, dir, _ := strings.Cut(m, " ")
				want = append(want, crypt(img, device)+" "+dir)
			}
			slices.Sort(got)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("mounted %q, want %q; %q", got, want, f.Problems())
			}
			// The root itself is what its fstab says, so nothing is a problem but what is
			// not there.
			for _, p := range f.Problems() {
				if !strings.Contains(p, "/srv") {
					t.Error(p)
				}
			}
			if !strings.HasPrefix(g.fixture, "stack") {
				return
			}
			// Without the key nothing beside it is taken for the system.
			locked := openDisks(t, disks)
			_, err = locked.MountAuto()
			if e, ok := errors.AsType[*unboot.LockedError](err); !ok || !errors.Is(err, unboot.ErrLocked) || e.Lock.Format != "LUKS2" {
				t.Errorf("locked: %v", err)
			}
		})
	}
}
