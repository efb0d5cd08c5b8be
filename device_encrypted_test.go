package unboot_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/tcrypt"
)

// uuidOpened returns the UUID of the file system in what a key opens on the disk, or says
// what is wrong with it.
func uuidOpened(t *testing.T, image string, key volume.Key) string {
	t.Helper()
	unchanged := rig.Unchanged(t, image)
	img := open(t, image)
	err := img.Unlock(nowDevice(t, img, "/dev/sda"), key)
	uuid := ""
	for _, d := range nowDevice(t, img, "/dev/sda").Children() {
		if d.Content != nil {
			uuid = d.Content.UUID
		}
	}
	if err != nil && uuid == "" {
		uuid = err.Error()
	}
	for _, v := range img.Inactive() {
		uuid += strings.Join(v.Problems, "; ")
		if v.Err != nil {
			uuid += v.Err.Error()
		}
	}
	img.Close()
	unchanged()
	return uuid
}

// TestTrueCrypt opens all of cryptsetup's images through the kernel, with what its test
// expects of them. What cannot be opened is what the kernel lacks.
func TestTrueCrypt(t *testing.T) {
	dir := testimg.SourceArchive(t, "cryptsetup", "tcrypt-images")
	images, err := filepath.Glob(dir + "/[tv]c*_*")
	rig.Check(t, "glob", err)
	if len(images) < 60 {
		t.Fatalf("%d images", len(images))
	}
	var files [][]byte
	for _, name := range []string{"keyfile1", "keyfile2"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		rig.Check(t, "key file", err)
		files = append(files, b)
	}
	for _, image := range images {
		name := filepath.Base(image)
		t.Run(name, func(t *testing.T) {
			f := strings.SplitN(strings.TrimSuffix(name, "-hidden"), "-", 4)
			other := strings.Contains(name, "serpent") || strings.Contains(name, "camellia")
			if f[0][0] == 'v' && !testimg.Thorough() && (testing.Short() || f[1] != "sha256" && !other) {
				t.Skip("UNBOOT_TEST_ALL is not set: half a million rounds, which package tcrypt tests")
			}
			password, pim, veraCrypt := "aaaaaaaaaaaa", "", ""
			switch {
			case f[0][0] == 't':
				veraCrypt = "no"
			case strings.Contains(f[0], "_nopw"):
				password = ""
			case strings.Contains(f[0], "_pw72"):
				password += "bbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeeeffffffffffff"
			case strings.HasPrefix(f[0], "vcpim"):
				pim = "1234"
			}
			if strings.Contains(f[0], "ck_") {
				password = string(tcrypt.Keyfiles([]byte(password), files...))
			}
			got := uuidOpened(t, image, phrase(password, "tcrypt-veracrypt", veraCrypt, "hash", f[1], "veracrypt-pim", pim))
			switch {
			case got == "DEAD-BABE":
			case f[2] == "cbc" && strings.Contains(got, "in a mode of TrueCrypt 4 that the kernel does not have"):
			case strings.Contains(name, "kuznyechik") || strings.Contains(name, "stribog") || strings.Contains(name, "aes-blowfish"):
				t.Skip(got)
			default:
				t.Error(got)
			}
			if strings.HasSuffix(name, "-hidden") && !strings.Contains(got, "TrueCrypt 4") {
				if got := uuidOpened(t, image, phrase("bbbbbbbbbbbb", "tcrypt-hidden", "", "hash", f[1])); got != "CAFE-BABE" {
					t.Errorf("hidden: %s", got)
				}
			}
		})
	}
}

// TestTrueCryptSystem opens an encrypted system by a key for its disk, and by one for its
// partition, as cryptsetup does by --tcrypt-system. The partition of cryptsetup's images is
// none that is encrypted: another table takes its place.
func TestTrueCryptSystem(t *testing.T) {
	images, err := filepath.Glob(testimg.SourceArchive(t, "cryptsetup", "tcrypt-images") + "/sys_*-sha256-xts-aes")
	rig.Check(t, "glob", err)
	if len(images) == 0 {
		t.Skip("this version of cryptsetup has no images of encrypted systems")
	}
	key := func() volume.Key { return phrase("aaaaaaaaaaaa", "tcrypt-system", "", "hash", "sha256") }
	img := open(t, images[0])
	rig.Check(t, "no such partition", img.Unlock(nowDevice(t, img, "/dev/sda"), key()))
	list := nowDevice(t, img, "/dev/sda").Children()
	if len(list) != 2 || list[1].Content == nil || list[1].Content.UUID != "DEAD-BABE" {
		t.Fatalf("no such partition: %+v", list)
	}
	var iv, offset, size int64
	table := list[1].Volume.Table
	if _, err := fmt.Sscanf(table[0].Params, "aes-xts-plain64 $ %d @ %d", &iv, &offset); err != nil {
		t.Fatal(err, table[0].Params)
	}
	size = table[0].Length
	img.Close()

	disk := filepath.Join(t.TempDir(), "disk")
	data, err := os.ReadFile(images[0])
	rig.Check(t, "read", err)
	// Before the system lies a partition that is not encrypted.
	entry := func(i int, start, size int64) {
		b := data[446+16*i:][:16]
		clear(b)
		b[4] = 7
		binary.LittleEndian.PutUint32(b[8:], uint32(start))
		binary.LittleEndian.PutUint32(b[12:], uint32(size))
	}
	entry(0, 64, offset-64)
	entry(1, offset, size)
	copy(data[510:], "\x55\xaa")
	rig.Check(t, "write", os.WriteFile(disk, data, 0o600))
	for _, on := range []string{"/dev/sda", "/dev/sda2"} {
		img := open(t, disk)
		d, err := img.Device(on)
		rig.Check(t, on, err)
		rig.Check(t, on, img.Unlock(d, key()))
		part, err := img.Device("/dev/sda2")
		rig.Check(t, on, err)
		list := part.Children()
		if len(list) != 1 || list[0].Name != "/dev/mapper/tcrypt-sda2" || list[0].Content == nil || list[0].Content.UUID != "DEAD-BABE" || len(img.Devices()) != 4 {
			t.Errorf("by a key for %s: %+v, %v", on, list, img.Devices())
		}
		rig.Check(t, "rescan", img.Rescan())
		if again := part.Children(); len(again) != 1 || again[0] != list[0] {
			t.Errorf("after a rescan: %v", again)
		}
		first, err := img.Device("/dev/sda1")
		rig.Check(t, on, err)
		if err := img.Unlock(first, key()); err == nil || !strings.Contains(err.Error(), "lies elsewhere") {
			t.Errorf("a partition that is plain: %v", err)
		}
		if err := img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("wrong", "tcrypt-system", "", "hash", "sha256")); on == "/dev/sda2" && !errors.Is(err, unboot.ErrLocked) {
			t.Errorf("a wrong key: %v", err)
		}
		img.Close()
	}
}

// TestBitLocker opens cryptsetup's images through the kernel.
func TestBitLocker(t *testing.T) {
	dir := testimg.SourceArchive(t, "cryptsetup", "bitlk-images")
	conf, err := os.ReadFile(dir + "/images.conf")
	rig.Check(t, "images.conf", err)
	n := 0
	for section := range strings.SplitSeq(string(conf), "[") {
		field := map[string]string{}
		for line := range strings.Lines(section) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			field[key] = value
		}
		name, _, _ := strings.Cut(section, "]")
		if field["PW"] == "" || field["SHA256SUM"] == "" {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			if got := uuidOpened(t, filepath.Join(dir, name+".img"), phrase(field["PW"])); got != field["UUID"] {
				t.Errorf("%s, not %s", got, field["UUID"])
			}
		})
	}
	if n < 10 {
		t.Errorf("%d images", n)
	}
}

// TestFileVault opens cryptsetup's image through the kernel.
func TestFileVault(t *testing.T) {
	image := filepath.Join(testimg.SourceArchive(t, "cryptsetup", "fvault2-images"), "small")
	if got := uuidOpened(t, image, phrase("heslo123")); got != "de124d8a-2164-394e-924f-8e28db0a09cb" {
		t.Error(got)
	}
}

// TestPlain writes through plain dm-crypt, and reads it again by the same key. Another key
// opens it too, and shows nothing.
func TestPlain(t *testing.T) {
	image := filepath.Join(t.TempDir(), "plain.img")
	rig.Check(t, "image", os.WriteFile(image, make([]byte, 1<<20), 0o600))
	key := func(secret string) volume.Key {
		return phrase(secret, "cipher", "aes-xts-plain64", "size", "512", "hash", "sha512", "offset", "8")
	}
	fs, err := os.ReadFile(testimg.FS(t, "vfat", testimg.Options{}))
	rig.Check(t, "file system", err)
	img := open(t, image, unboot.Writable())
	rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), key("secret")))
	list := nowDevice(t, img, "/dev/sda").Children()
	if len(list) != 1 || list[0].Kind != "crypt" || list[0].Size != 1<<20-8*512 {
		t.Fatalf("%+v", list)
	}
	f, err := list[0].Open(os.O_WRONLY)
	rig.Check(t, "open", err)
	_, err = f.WriteAt(fs[:512<<10], 0)
	rig.Check(t, "write", err)
	rig.Check(t, "close", f.Close())
	rig.Check(t, "close", img.Close())
	if got := uuidOpened(t, image, key("secret")); len(got) != 9 {
		t.Errorf("read again: %s", got)
	}
	if got := uuidOpened(t, image, key("another")); got != "" {
		t.Errorf("by another key: %s", got)
	}
}
