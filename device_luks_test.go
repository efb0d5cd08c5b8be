package unboot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
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
