package unboot_test

import (
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// verityDisk makes a disk with an ext4 and its hashes in two partitions, whose UUIDs are
// those of the Discoverable Partitions Specification, and returns the root hash.
func verityDisk(t *testing.T) (image, root string) {
	t.Helper()
	testimg.Need(t, "veritysetup", "sfdisk")
	dir := t.TempDir()
	fsys := testimg.FS(t, "ext4", testimg.Options{Size: 8 << 20, Args: []string{"-b", "4096"}, Tree: true,
		Nodes: []testimg.Node{{Path: "inside", Mode: 0o644, Size: 5, Chunks: []testimg.Chunk{{Data: []byte("here\n")}}}}})
	out := testimg.MustRun(t, "veritysetup", "format", fsys, filepath.Join(dir, "hash"))
	root = string(regexp.MustCompile(`Root hash:\s*(\w+)`).FindSubmatch([]byte(out))[1])
	uuid := func(s string) string {
		return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
	}
	image = filepath.Join(dir, "disk.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	script := "label: gpt\nstart=2048, size=16384, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709, uuid=" + uuid(root[:32]) +
		"\nstart=20480, size=4096, type=2c7357ed-ebd2-46d9-aec1-23d437ec2bf5, uuid=" + uuid(root[32:]) + "\n"
	testimg.MustRun(t, "sh", "-c", "sfdisk -q "+image+" <<'E'\n"+script+"E")
	for path, at := range map[string]int64{fsys: 2048, filepath.Join(dir, "hash"): 20480} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(image, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(data, at*512); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return image, root
}

// TestVerity opens a verified file system by what its partitions say, and reads it as far
// as its data are what they were.
func TestVerity(t *testing.T) {
	image, _ := verityDisk(t)
	img := open(t, image)
	fs, err := img.Mount("/dev/mapper/root", unboot.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	if data, err := fs.ReadFile("inside"); string(data) != "here\n" {
		t.Errorf("%q, %v", data, err)
	}
	fs.Close()
	img.Close()

	changeByte(t, image, 1<<20+4<<20)
	img = open(t, image)
	d, err := img.Device("/dev/mapper/root")
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Open(unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 4096), 0); err != nil {
		t.Error(err)
	}
	if _, err := f.ReadAt(make([]byte, 4096), 4<<20); !errors.Is(err, unix.EIO) {
		t.Errorf("a block that was changed: %v", err)
	}
	if n, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, 4<<20)); n != 4<<20 || err != nil {
		t.Errorf("before it: %d, %v", n, err)
	}
}

// TestVerityKey opens a tree whose root hash is given, on disks of their own.
func TestVerityKey(t *testing.T) {
	image, root := verityDisk(t)
	testimg.MustRun(t, "sfdisk", "-q", "--part-uuid", image, "2", "00000000-0000-4000-8000-000000000001")
	key, _ := hex.DecodeString(root)
	img := open(t, image)
	if d, err := img.Device("/dev/sda2"); err != nil || d.Locked == nil || d.Locked.Format != "verity" {
		t.Fatalf("%+v, %v", d, err)
	}
	img.Close()
	img = open(t, image, unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if try > 0 {
			return volume.Key{}, io.EOF
		}
		return volume.Key{Kind: volume.RootHash, Secret: append([]byte(nil), key...)}, nil
	}))
	d, err := img.Device("/dev/mapper/root")
	if err != nil {
		t.Fatal(err)
	}
	if d.Kind != unboot.KindCrypt || !strings.HasPrefix(d.Volume.UUID, "CRYPT-VERITY-") {
		t.Errorf("%+v", d)
	}
	if fs, err := img.Mount(d.Name, unboot.ReadOnly()); err != nil {
		t.Error(err)
	} else {
		fs.Close()
	}
}

// TestVerityOffset opens data that has its hashes after it, on the same device.
func TestVerityOffset(t *testing.T) {
	disk := testvol.Unpack(t, "verity-offset")[0]
	root := regexp.MustCompile(`Root hash:\s*(\w+)`).FindStringSubmatch(testvol.Record(t, "verity-offset", "veritysetup.txt"))[1]
	key, _ := hex.DecodeString(root)
	keys := unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if try > 0 {
			return volume.Key{}, unboot.ErrNoKey
		}
		return volume.Key{Kind: volume.RootHash, Secret: append([]byte(nil), key...)}, nil
	})
	defer rig.Unchanged(t, disk)()
	for _, name := range []string{"/dev/sda", "UUID=52ec46d4-501b-413a-94c0-568624d5f801"} {
		img := open(t, disk, keys, unboot.HashOffset(name, 4<<20))
		d, err := img.Device("/dev/mapper/verity-b743937e-7f1a-4f0d-a296-c660c50217d1")
		if err != nil {
			t.Fatal(err, describe(img))
		}
		control, err := dm.Open(img.Kernel())
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(testvol.Table(t, "verity-offset")["verity"], "<sda>", "253:0")
		if got, err := control.Table(d.Volume.Name); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
		control.Close()
		c := testvol.Contents(t, "verity-offset")[0]
		c.Node = d.Name
		if err := checkContent(img, c); err != nil {
			t.Error(err)
		}
		img.Close()
	}
	img := open(t, disk, unboot.HashOffset("/dev/sda", 4<<20))
	if d, err := img.Device("/dev/sda"); err != nil || d.Locked == nil || d.Locked.Format != "verity" {
		t.Errorf("%+v, %v", d, err)
	}
	img.Close()
	img = open(t, disk, keys, unboot.HashOffset("/dev/sda", 1<<20))
	if d, err := img.Device("/dev/sda"); err != nil || !strings.Contains(strings.Join(d.Problems, " "), "no superblock of dm-verity") {
		t.Errorf("%+v, %v", d, err)
	}
	if f, err := img.Mount("/dev/sda", unboot.ReadOnly()); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}
