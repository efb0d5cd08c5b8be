package unboot_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

func wantDeactivated(t *testing.T, img *unboot.Image, names ...string) {
	t.Helper()
	var list []string
	for _, i := range img.Inactive() {
		if errors.Is(i.Err, unboot.ErrDeactivated) {
			list = append(list, i.Name)
		}
	}
	slices.Sort(list)
	if !slices.Equal(list, names) {
		t.Errorf("%q are deactivated, and not %q", list, names)
	}
}

// TestDeactivate takes the volumes of a group away, and brings them back.
func TestDeactivate(t *testing.T) {
	for name, group := range map[string][]string{
		"lvm-snapshot": {"vgs-orig", "vgs-snap", "vgs-snap2"},
		"lvm-nested":   {"outer-guest"},
		"md-levels":    {""},
	} {
		t.Run(name, func(t *testing.T) {
			disks := testvol.Writable(t, name)
			var opts []unboot.Option
			for _, d := range disks[1:] {
				opts = append(opts, unboot.AddDisk(d))
			}
			img := open(t, disks[0], append(opts, unboot.Writable())...)
			var going []*unboot.Device
			for _, d := range img.Devices() {
				if v := d.Volume; v != nil && (v.Array != nil && len(going) == 0 || slices.Contains(group, v.Name) && v.Name != "") {
					going = append(going, d)
				}
			}
			if len(going) != len(group) {
				t.Fatalf("%d devices", len(going))
			}
			node := going[len(going)-1]
			content := node
			if content.Content == nil { // it is a disk
				content = node.Children()[1]
			}
			f, err := img.Mount(content.Name)
			rig.Check(t, "mount", err)
			if err := img.Deactivate(going...); !errors.Is(err, unix.EBUSY) {
				t.Errorf("what is mounted: %v", err)
			}
			rig.Check(t, "unmount", f.Unmount())
			wantDeactivated(t, img)
			opened, err := node.Open(unix.O_RDONLY)
			rig.Check(t, "open", err)
			if err := img.Deactivate(node); !errors.Is(err, unix.EBUSY) {
				t.Errorf("what is open: %v", err)
			}
			opened.Close()
			rig.Check(t, "deactivate", img.Deactivate(going...))
			wantDeactivated(t, img, group...)
			rig.Check(t, "rescan", img.Rescan())
			wantDeactivated(t, img, group...)
			for _, i := range img.Inactive() {
				if !errors.Is(i.Err, unboot.ErrDeactivated) {
					t.Errorf("%s has gone, too: %v", i.Nodes, i.Err)
				}
			}
			if _, err := img.Device(content.Name); !errors.Is(err, unboot.ErrNotFound) {
				t.Errorf("%s: %v", content.Name, err)
			}
			if err := img.Deactivate(node); !errors.Is(err, unboot.ErrNotFound) {
				t.Errorf("what has gone: %v", err)
			}
			var back []*volume.Volume
			for _, i := range img.Inactive() {
				back = append(back, i.Volume)
			}
			rig.Check(t, "activate", img.Activate(back...))
			wantDeactivated(t, img)
			f, err = img.Mount(content.Name)
			rig.Check(t, "mount", err)
			rig.Check(t, "unmount", f.Unmount())
		})
	}
}

// TestDeactivateKinds holds what cannot be deactivated.
func TestDeactivateKinds(t *testing.T) {
	img := open(t, testvol.Unpack(t, "stack-lvm-on-luks")[0])
	for _, name := range []string{"/dev/sda", "/dev/sda1"} {
		if err := img.Deactivate(nowDevice(t, img, name)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnlockAs opens an encrypted device by a name, closes it, and finds that it stays
// closed, although there is a key for it.
func TestUnlockAs(t *testing.T) {
	keys := unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if try > 0 || d.Content == nil {
			return volume.Key{}, unboot.ErrNoKey
		}
		return phrase("secret"), nil
	})
	img := open(t, testvol.Unpack(t, "stack-lvm-on-luks")[0], keys)
	luks := nowDevice(t, img, "/dev/sda2")
	crypt := luks.Children()[0]
	if err := img.Unlock(luks, phrase("secret")); !errors.Is(err, unix.EBUSY) {
		t.Errorf("what is open: %v", err)
	}
	if err := img.Deactivate(crypt); !errors.Is(err, unix.EBUSY) {
		t.Errorf("what a group lies on: %v", err)
	}
	all := []*unboot.Device{crypt, nowDevice(t, img, "/dev/vg/root"), nowDevice(t, img, "/dev/vg/swap")}
	rig.Check(t, "deactivate", img.Deactivate(all...))
	rig.Check(t, "rescan", img.Rescan())
	if luks = nowDevice(t, img, "/dev/sda2"); luks.Locked == nil || len(luks.Children()) > 0 {
		t.Fatalf("%+v, %v", luks.Locked, luks.Children())
	}
	for _, name := range []string{"a/b", "..", "control", string(make([]byte, 128))} {
		if err := img.Unlock(luks, phrase("secret"), unboot.MapName(name)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := img.Unlock(luks, phrase("wrong"), unboot.MapName("mine")); !errors.Is(err, unboot.ErrLocked) {
		t.Errorf("a wrong key: %v", err)
	}
	rig.Check(t, "unlock", img.Unlock(luks, phrase("secret"), unboot.MapName("mine"), unboot.MapReadOnly()))
	mine := nowDevice(t, img, "/dev/mapper/mine")
	if v := mine.Volume; !v.ReadOnly || v.UUID != "CRYPT-LUKS2-"+strings.ReplaceAll(luks.Content.UUID, "-", "")+"-mine" {
		t.Errorf("%q, read-only %v", v.UUID, v.ReadOnly)
	}
	// The volumes of the group stay away until somebody asks for them.
	wantDeactivated(t, img, "vg-root", "vg-swap")
	rig.Check(t, "rescan", img.Rescan())
	if nowDevice(t, img, "/dev/mapper/mine") != mine {
		t.Error("it is another one after a rescan")
	}
	for _, i := range img.Inactive() {
		rig.Check(t, "activate", img.Activate(i.Volume))
	}
	for _, c := range testvol.Contents(t, "stack-lvm-on-luks") {
		if c.Node == "/dev/vg/root" {
			rig.Check(t, c.Node, checkContent(img, c))
		}
	}
	rig.Check(t, "deactivate", img.Deactivate(mine, nowDevice(t, img, "/dev/vg/root"), nowDevice(t, img, "/dev/vg/swap")))
	rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda2"), phrase("secret")))
	if c := nowDevice(t, img, "/dev/sda2").Children(); len(c) != 1 || c[0].Name != "/dev/mapper/luks-"+luks.Content.UUID {
		t.Errorf("%v", c)
	}
}

// TestUnlockBlind holds that what has no signature stays open when the key is forgotten.
func TestUnlockBlind(t *testing.T) {
	img := open(t, testvol.Unpack(t, "crypt-plain")[0])
	key := phrase("secret", "plain", "", "cipher", "aes-cbc-essiv:sha256", "hash", "ripemd160")
	rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), key, unboot.MapName("plain")))
	rig.Check(t, "rescan", img.Rescan())
	d := nowDevice(t, img, "/dev/mapper/plain")
	if d.Content == nil || d.Content.Type != "ext4" {
		t.Errorf("%+v", d.Content)
	}
	rig.Check(t, "deactivate", img.Deactivate(d))
	if img.Rescan(); len(nowDevice(t, img, "/dev/sda").Children()) > 0 {
		t.Error("it is open again")
	}
}
