package unboot_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/luks"
)

// luksImages unpacks cryptsetup's images of version 1, which have a key file in common.
func luksImages(t *testing.T) (images []string, key []byte) {
	t.Helper()
	dir := testimg.SourceArchive(t, "cryptsetup", "luks1-images")
	images, err := filepath.Glob(dir + "/*.img")
	rig.Check(t, "glob", err)
	key, err = os.ReadFile(dir + "/keyfile1")
	rig.Check(t, "key file", err)
	if len(images) < 12 {
		t.Fatalf("%d images", len(images))
	}
	return images, key
}

// TestLUKS opens cryptsetup's images, of which each has another cipher or hash, and changes
// none of them.
func TestLUKS(t *testing.T) {
	images, key := luksImages(t)
	for _, image := range images {
		t.Run(filepath.Base(image), func(t *testing.T) {
			unchanged := rig.Unchanged(t, image)
			img := open(t, image)
			disk := nowDevice(t, img, "/dev/sda")
			if disk.Locked == nil || disk.Locked.Format != "LUKS1" || len(disk.Children()) != 0 {
				t.Fatalf("without a key: %+v", disk.Locked)
			}
			var locked *unboot.LockedError
			err := img.Unlock(disk, phrase("wrong"))
			if !errors.As(err, &locked) || locked.Lock.Tried != 1 || !errors.Is(err, unboot.ErrLocked) {
				t.Errorf("a wrong key: %v", err)
			}
			rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), phrase(string(key))))
			list := nowDevice(t, img, "/dev/sda").Children()
			if len(list) != 1 || list[0].Kind != "crypt" || list[0].Content == nil || list[0].Content.UUID != "DEAD-BABE" {
				t.Fatalf("%+v", list)
			}
			img.Close()
			unchanged()
		})
	}
}

// TestLUKSDetached opens data whose header is on another disk.
func TestLUKSDetached(t *testing.T) {
	images, key := luksImages(t)
	dir := t.TempDir()
	whole, err := os.ReadFile(filepath.Join(filepath.Dir(images[0]), "luks1_aes-xts-plain64-sha256.img"))
	rig.Check(t, "read", err)
	const payload = 4096 * 512
	data, header := dir+"/data", dir+"/header"
	// The data alone, as they lie behind the header, with nothing in its place.
	rig.Check(t, "write", os.WriteFile(header, whole[:payload], 0o600))
	clear(whole[:payload])
	rig.Check(t, "write", os.WriteFile(data, whole, 0o600))
	img := open(t, data, unboot.AddDisk(header), unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if try > 0 || d.Name != "/dev/sda" {
			return volume.Key{}, unboot.ErrNoKey
		}
		return phrase(string(key), "header", "/dev/sdb"), nil
	}))
	list := nowDevice(t, img, "/dev/sda").Children()
	if len(list) != 1 || list[0].Content == nil || list[0].Content.UUID != "DEAD-BABE" {
		t.Fatalf("%+v, %+v", list, img.Inactive())
	}
}

// TestChangeLUKS formats a disk, writes through the volume, and changes its keys; cryptsetup
// finds what was made, and another session the data.
func TestChangeLUKS(t *testing.T) {
	testimg.Need(t, "cryptsetup")
	for version, cipher := range map[int]string{1: "serpent-xts-plain64", 2: "aes-xts-plain64"} {
		image := filepath.Join(t.TempDir(), "image")
		rig.Check(t, "write", os.WriteFile(image, make([]byte, 20<<20), 0o600))
		img := open(t, image, unboot.Writable())
		quick := func(f func(*luks.Writer) error) func(*luks.Writer) error {
			return func(w *luks.Writer) error {
				w.KDF = luks.KDF{Type: "pbkdf2", Iterations: 1000}
				return f(w)
			}
		}
		format := quick(func(w *luks.Writer) error {
			return w.Format(t.Context(), []byte("one"), luks.Layout{Version: version, Cipher: cipher})
		})
		rig.Check(t, "format", img.ChangeLUKS(nowDevice(t, img, "/dev/sda"), false, format))
		rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("one")))
		crypt := nowDevice(t, img, "/dev/sda").Children()[0]
		f, err := crypt.Open(unix.O_RDWR)
		rig.Check(t, "open", err)
		_, err = f.WriteAt([]byte("these are the data"), 4096)
		rig.Check(t, "write", err)
		rig.Check(t, "close", f.Close())
		if err := img.ChangeLUKS(nowDevice(t, img, "/dev/sda"), false, format); !errors.Is(err, unix.EBUSY) {
			t.Errorf("format of what is in use: %v", err)
		}
		rig.Check(t, "add", img.ChangeLUKS(nowDevice(t, img, "/dev/sda"), true, quick(func(w *luks.Writer) error {
			_, err := w.AddKey(t.Context(), phrase("one"), []byte("two"), -1)
			return err
		})))
		rig.Check(t, "kill", img.ChangeLUKS(nowDevice(t, img, "/dev/sda"), true, quick(func(w *luks.Writer) error {
			return w.KillSlot(t.Context(), phrase("two"), 0)
		})))
		rig.Check(t, "close", img.Close())

		testimg.MustRun(t, "cryptsetup", "luksDump", image)
		if version == 2 { // the cipher of the other needs the host's kernel
			testimg.MustRun(t, "sh", "-c", "printf two | cryptsetup open --test-passphrase --key-file=- "+image)
		}
		img = open(t, image)
		if err := img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("one")); !errors.Is(err, unboot.ErrLocked) {
			t.Errorf("a key that was killed: %v", err)
		}
		rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("two")))
		f, err = nowDevice(t, img, "/dev/sda").Children()[0].Open(unix.O_RDONLY)
		rig.Check(t, "open", err)
		b := make([]byte, 18)
		_, err = f.ReadAt(b, 4096)
		if err != nil || string(b) != "these are the data" {
			t.Errorf("%q, %v", b, err)
		}
		f.Close()
		img.Close()
	}
}

// TestLUKSReencryption refuses a volume whose reencryption was begun, and says so.
func TestLUKSReencryption(t *testing.T) {
	img := openFixture(t, "luks2-reencrypt", testvol.Unpack(t, "luks2-reencrypt"))
	list := img.Inactive()
	if len(list) != 1 || len(img.Devices()) != 1 || !strings.Contains(fmt.Sprint(list[0].Problems, list[0].Err), "reencrypt") {
		t.Errorf("%s", describe(img))
	}
	if err := img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("secret")); err == nil || !strings.Contains(err.Error(), "reencr") {
		t.Errorf("unlock: %v", err)
	}
}

// TestLUKSIntegrity writes to a volume with authenticated encryption, and reads it when it is
// opened again; what was never written has no tag, and cannot be read.
func TestLUKSIntegrity(t *testing.T) {
	const name = "luks2-hmac"
	path := testvol.Writable(t, name)[0]
	want := bytes.Repeat([]byte("authentic"), 4096)[:8192]
	for try := range 2 {
		img := open(t, path, unboot.Writable())
		rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("secret")))
		d := nowDevice(t, img, "/dev/sda").Children()[0]
		if d.Kind != "crypt" || d.Size != 22000*512 {
			t.Errorf("%s of %d bytes", d.Kind, d.Size)
		}
		f, err := d.Open(unix.O_RDWR)
		rig.Check(t, "open", err)
		if try == 0 {
			_, err = f.WriteAt(want, 4<<20)
			rig.Check(t, "write", err)
			rig.Check(t, "sync", f.Sync())
		}
		got := make([]byte, len(want))
		if _, err := f.ReadAt(got, 4<<20); err != nil || !bytes.Equal(got, want) {
			t.Errorf("try %d: %v", try, err)
		}
		if _, err := f.ReadAt(got, 8<<20); err == nil {
			t.Error("sectors without a tag are read")
		}
		rig.Check(t, "close", f.Close())
		rig.Check(t, "close", img.Close())
	}
}
