package unboot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/integrity"
)

// integrityDisk has the kernel format a disk, as integritysetup(8) does: dm-integrity does
// it when it finds zeroes. Then data are written to all of it.
func integrityDisk(t *testing.T, params string, tag int, key, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 8<<20); err != nil {
		t.Fatal(err)
	}
	img := open(t, path, unboot.Writable())
	c, err := dm.Open(img.Kernel())
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statx_t
	f, err := img.OpenNode("/dev/sda", unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Kernel().Fstatx(f.Fd(), unix.STATX_TYPE, &st); err != nil {
		t.Fatal(err)
	}
	f.Close()
	number := func(volume.Base) string { return fmt.Sprint(st.Rdev_major, ":", st.Rdev_minor) }
	size := int64(4096)
	for range 2 {
		table := []volume.Target{{Length: size / 512, Type: "integrity", Params: fmt.Sprintf("@ 0 %d J %s", tag, params),
			Devices: []volume.Base{&volume.Member{}}, Key: key}}

		d, err := c.Create("new", "", false, table, number)
		if err != nil {
			t.Fatal(err)
		}
		if size > 4096 {
			out, err := img.OpenNode(d.Node(), unix.O_RDWR)
			if err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < size; off += int64(len(data)) {
				if _, err := out.WriteAt(data[:min(int64(len(data)), size-off)], off); err != nil {
					t.Fatal(err)
				}
			}
			if err := out.Sync(); err != nil {
				t.Fatal(err)
			}
			out.Close()
		}
		if err := c.Remove("new"); err != nil {
			t.Fatal(err)
		}
		raw, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := integrity.Read(raw, 8<<20)
		raw.Close()
		if err != nil {
			t.Fatal(err)
		}
		size = s.Size
	}
	c.Close()
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestIntegrity opens devices with checksums, of which the kind is found out, and holds that
// what was changed cannot be read.
func TestIntegrity(t *testing.T) {
	secret := bytes.Repeat([]byte{9}, 32)
	data := []byte(strings.Repeat("sixteen letters\n", 4<<10))
	for _, test := range []struct {
		params, algorithm string
		tag               int
		key               []byte
	}{
		{"2 internal_hash:crc32c fix_padding", "crc32c", 4, nil},
		{"1 internal_hash:crc32", "crc32", 4, nil},
		{"2 internal_hash:xxhash64 fix_padding", "xxhash64", 8, nil},
		{"3 block_size:4096 internal_hash:sha256 fix_padding", "sha256", 32, nil},
		{"2 internal_hash:hmac(sha256):$ fix_padding", "hmac(sha256)", 32, secret},
	} {
		t.Run(test.algorithm, func(t *testing.T) {
			path := integrityDisk(t, test.params, test.tag, test.key, data)
			unchanged := rig.Unchanged(t, path)
			var opts []unboot.Option
			if test.key != nil {
				opts = append(opts, unboot.Keys(func(_ *unboot.Device, try int) (volume.Key, error) {
					if try > 1 {
						return volume.Key{}, io.EOF
					}
					return volume.Key{Kind: volume.VolumeKey, Secret: bytes.Repeat([]byte{byte(8 + try)}, 32)}, nil
				}))
				img := open(t, path)
				if d := img.Devices()[0]; d.Locked == nil || len(img.Devices()) != 1 {
					t.Errorf("without the key: %+v", d)
				}
				img.Close()
			}
			img := open(t, path, opts...)
			d, err := img.Device("/dev/mapper/sda-integrity")
			if err != nil {
				t.Fatal(err)
			}
			if s := d.Volume.Info.(*integrity.Superblock); s.Algorithm != test.algorithm || d.Kind != unboot.KindCrypt {
				t.Errorf("%+v", s)
			}
			f, err := d.Open(unix.O_RDONLY)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(data))
			if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%v, %q", err, got[:16])
			}
			if n, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, d.Size)); n != d.Size || err != nil {
				t.Errorf("all of it: %d of %d, %v", n, d.Size, err)
			}
			f.Close()
			img.Close()
			unchanged()

			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// The journal may have it too: the last is the one in its place.
			changeByte(t, path, int64(bytes.LastIndex(raw, data[:512])))
			img = open(t, path, opts...)
			if d, err = img.Device("/dev/mapper/sda-integrity"); err != nil {
				t.Fatal(err)
			}
			if f, err = d.Open(unix.O_RDONLY); err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if n, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, d.Size)); err == nil || !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EILSEQ) {
				t.Errorf("what was changed: %d, %v", n, err)
			}
		})
	}
}
