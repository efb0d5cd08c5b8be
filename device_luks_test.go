package unboot_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
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
	testimg.Need(t, "tar", "xz")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "cryptsetup"), "-C", dir, "--strip-components=2", "--wildcards", "*/tests/luks1-images.tar.xz")
	testimg.MustRun(t, "tar", "-xf", dir+"/luks1-images.tar.xz", "-C", dir)
	images, err := filepath.Glob(dir + "/luks1-images/*.img")
	rig.Check(t, "glob", err)
	key, err = os.ReadFile(dir + "/luks1-images/keyfile1")
	rig.Check(t, "key file", err)
	if len(images) < 12 {
		t.Fatalf("%d images", len(images))
	}
	return images, key
}

func luksDisk(t *testing.T, img *unboot.Image) *unboot.Device {
	t.Helper()
	d, err := img.Device("/dev/sda")
	rig.Check(t, "device", err)
	return d
}

// TestLUKS opens cryptsetup's images, of which each has another cipher or hash, and changes
// none of them.
func TestLUKS(t *testing.T) {
	images, key := luksImages(t)
	for _, image := range images {
		t.Run(filepath.Base(image), func(t *testing.T) {
			unchanged := rig.Unchanged(t, image)
			img := open(t, image)
			disk := luksDisk(t, img)
			if disk.Locked == nil || disk.Locked.Format != "LUKS1" || len(disk.Children()) != 0 {
				t.Fatalf("without a key: %+v", disk.Locked)
			}
			var locked *unboot.LockedError
			err := img.Unlock(disk, volume.Key{Kind: volume.Passphrase, Secret: []byte("wrong")})
			if !errors.As(err, &locked) || locked.Lock.Tried != 1 || !errors.Is(err, unboot.ErrLocked) {
				t.Errorf("a wrong key: %v", err)
			}
			rig.Check(t, "unlock", img.Unlock(luksDisk(t, img), volume.Key{Kind: volume.Passphrase, Secret: append([]byte{}, key...)}))
			list := luksDisk(t, img).Children()
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
		return volume.Key{Kind: volume.Passphrase, Secret: append([]byte{}, key...), Params: map[string]string{"header": "/dev/sdb"}}, nil
	}))
	list := luksDisk(t, img).Children()
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
		key := func(s string) volume.Key { return volume.Key{Kind: volume.Passphrase, Secret: []byte(s)} }
		format := quick(func(w *luks.Writer) error {
			return w.Format(t.Context(), []byte("one"), luks.Layout{Version: version, Cipher: cipher})
		})
		rig.Check(t, "format", img.ChangeLUKS(luksDisk(t, img), false, format))
		rig.Check(t, "unlock", img.Unlock(luksDisk(t, img), key("one")))
		crypt := luksDisk(t, img).Children()[0]
		f, err := crypt.Open(unix.O_RDWR)
		rig.Check(t, "open", err)
		_, err = f.WriteAt([]byte("these are the data"), 4096)
		rig.Check(t, "write", err)
		rig.Check(t, "close", f.Close())
		if err := img.ChangeLUKS(luksDisk(t, img), false, format); !errors.Is(err, unix.EBUSY) {
			t.Errorf("format of what is in use: %v", err)
		}
		rig.Check(t, "add", img.ChangeLUKS(luksDisk(t, img), true, quick(func(w *luks.Writer) error {
			_, err := w.AddKey(t.Context(), key("one"), []byte("two"), -1)
			return err
		})))
		rig.Check(t, "kill", img.ChangeLUKS(luksDisk(t, img), true, quick(func(w *luks.Writer) error {
			return w.KillSlot(t.Context(), key("two"), 0)
		})))
		rig.Check(t, "close", img.Close())

		testimg.MustRun(t, "cryptsetup", "luksDump", image)
		if version == 2 { // the cipher of the other needs the host's kernel
			testimg.MustRun(t, "sh", "-c", "printf two | cryptsetup open --test-passphrase --key-file=- "+image)
		}
		img = open(t, image)
		if err := img.Unlock(luksDisk(t, img), key("one")); !errors.Is(err, unboot.ErrLocked) {
			t.Errorf("a key that was killed: %v", err)
		}
		rig.Check(t, "unlock", img.Unlock(luksDisk(t, img), key("two")))
		f, err = luksDisk(t, img).Children()[0].Open(unix.O_RDONLY)
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

// TestLUKSFixtures: what cryptsetup and a kernel wrote to volumes is read from them, with
// authenticated encryption too, and no disk changes. The names of the fixtures' volumes are
// those that somebody gave them; here they have the one that their header gives.
func TestLUKSFixtures(t *testing.T) {
	n := 0
	for _, name := range testvol.Names() {
		if !strings.HasPrefix(name, "luks") {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			paths := testvol.Unpack(t, name)
			var opts []unboot.Option
			secrets := []string{"second", "secret"}
			params := map[string]string{}
			if name == "luks2-keyfile" {
				secrets = append(secrets, testvol.Record(t, name, "keyfile.txt")[100:164])
			}
			if len(paths) > 1 {
				opts = append(opts, unboot.AddDisk(paths[1]))
				params["header"] = "/dev/sdb"
			}
			opts = append(opts, unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
				if try >= len(secrets) || d.Name != "/dev/sda" {
					return volume.Key{}, unboot.ErrNoKey
				}
				return volume.Key{Kind: volume.Passphrase, Secret: []byte(secrets[try]), Params: params}, nil
			}))
			unchanged := rig.Unchanged(t, paths[0])
			img := open(t, paths[0], opts...)
			children := luksDisk(t, img).Children()
			switch {
			case name == "luks2-reencrypt":
				if len(children) != 0 || len(img.Inactive()) != 1 {
					t.Errorf("%+v", children)
				}
				key := volume.Key{Kind: volume.Passphrase, Secret: []byte("secret")}
				if err := img.Unlock(luksDisk(t, img), key); err == nil || !strings.Contains(err.Error(), "reencr") {
					t.Errorf("unlock: %v", err)
				}
			case name == "luks2-hmac": // TestLUKSIntegrity: it has nothing that could be mounted
			case len(children) != 1 || children[0].Kind != "crypt":
				t.Fatalf("%+v; %s", children, describe(img))
			default:
				for _, c := range testvol.Contents(t, name) {
					c.Node = children[0].Name
					rig.Check(t, "content", checkContent(img, c))
				}
			}
			rig.Check(t, "close", img.Close())
			unchanged()
		})
	}
	if n == 0 {
		t.Skip("there are no fixtures of LUKS in this tree")
	}
}

// TestLUKSIntegrity writes to a volume with authenticated encryption, and reads it when it is
// opened again; what was never written has no tag, and cannot be read.
func TestLUKSIntegrity(t *testing.T) {
	const name = "luks2-hmac"
	if !slices.Contains(testvol.Names(), name) {
		t.Skip("there are no fixtures of LUKS in this tree")
	}
	path := testvol.Writable(t, name)[0]
	want := bytes.Repeat([]byte("authentic"), 4096)[:8192]
	for try := range 2 {
		img := open(t, path, unboot.Writable())
		rig.Check(t, "unlock", img.Unlock(luksDisk(t, img), volume.Key{Kind: volume.Passphrase, Secret: []byte("secret")}))
		d := luksDisk(t, img).Children()[0]
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
