package unboot_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// dynamicDisks unpacks disks of Windows 2003 and 2008, by their short names.
func dynamicDisks(t *testing.T, names ...string) []string {
	t.Helper()
	if packed, _ := filepath.Glob("../shared/cases/files/mdbooth.libldm-*.img.xz"); len(packed) == 0 {
		t.Skip("the images of libldm are not there")
	}
	testimg.Need(t, "xz")
	var paths []string
	for _, name := range names {
		path := filepath.Join(t.TempDir(), name+".img")
		testimg.MustRun(t, "sh", "-c", "xz -dc ../shared/cases/files/mdbooth.libldm-ldm-"+name+".img.xz | dd bs=64k conv=sparse status=none of="+path)
		paths = append(paths, path)
	}
	return paths
}

// dynamicHashes returns what the volumes' bytes are to be.
func dynamicHashes(t *testing.T, windows string) map[string]string {
	data, err := os.ReadFile("../shared/cases/volumes.tsv")
	if err != nil {
		t.Skip(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(line, "\t"); len(f) > 8 && f[0] == "ldm" && strings.Contains(f[1], "ldm-"+windows) {
			for _, w := range strings.Fields(f[8]) {
				name, sum, _ := strings.Cut(w, ":")
				m[name] = sum
			}
		}
	}
	return m
}

// dynamicVolumes returns the hashes of the volumes that an image shows, by their names.
func dynamicVolumes(t *testing.T, img *unboot.Image) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, d := range img.Devices() {
		if d.Kind != "ldm" {
			continue
		}
		f, err := d.Open(unix.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, d.Size)); err != nil {
			t.Errorf("reading %s: %v", d.Name, err)
		}
		f.Close()
		m[d.Name[strings.LastIndex(d.Name, "_")+1:]] = hex.EncodeToString(h.Sum(nil))
		fs, err := img.Mount(d.Name, unboot.ReadOnly())
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		if data, err := fs.ReadFile("test.txt"); string(data) != "Filesystem test" {
			t.Errorf("%s: %q, %v", d.Name, data, err)
		}
		fs.Close()
	}
	return m
}

// TestDynamicVolumes reads all volumes of real dynamic disks through the kernel.
func TestDynamicVolumes(t *testing.T) {
	for windows, names := range map[string][]string{
		"2003": {"2003r2-raid5-1", "2003r2-raid5-2", "2003r2-raid5-3", "2003r2-simple-1", "2003r2-spanned-1", "2003r2-spanned-2"},
		"2008": {"2008r2-mirrored-1", "2008r2-mirrored-2", "2008r2-raid5-1", "2008r2-raid5-2", "2008r2-raid5-3", "2008r2-striped-1", "2008r2-striped-2"},
	} {
		t.Run(windows, func(t *testing.T) {
			paths := dynamicDisks(t, names...)
			for _, p := range paths {
				defer rig.Unchanged(t, p)()
			}
			img := openDisks(t, paths)
			want := dynamicHashes(t, windows)
			got := dynamicVolumes(t, img)
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("%s has the hash %q, and should have %s", name, got[name], want[name])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d volumes of %d", len(got), len(want))
			}
			for _, v := range img.Inactive() {
				if v.Err != nil || !strings.Contains(strings.Join(v.Problems, " "), "is missing") {
					t.Errorf("%s: %q, %v", v.Name, v.Problems, v.Err)
				}
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDynamicVolumesDegraded reads a mirror and a RAID 5 with a disk missing. They are not
// written to, because Windows would not learn of it.
func TestDynamicVolumesDegraded(t *testing.T) {
	paths := dynamicDisks(t, "2008r2-mirrored-2", "2008r2-raid5-1", "2008r2-raid5-3")
	img := openDisks(t, paths, unboot.Writable())
	want := dynamicHashes(t, "2008")
	got := dynamicVolumes(t, img)
	for _, name := range []string{"Volume3", "Volume4"} {
		if got[name] != want[name] {
			t.Errorf("%s has the hash %q, and should have %s", name, got[name], want[name])
		}
		d, err := img.Device("/dev/mapper/ldm_vol_WIN-ERRDJSBDAVF-Dg0_" + name)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Problems) == 0 || !strings.Contains(d.Problems[0], "it is degraded") {
			t.Errorf("%s: %q", d.Name, d.Problems)
		}
		if fs, err := img.Mount(d.Name); err == nil {
			if err := fs.WriteFile("x", nil, 0o666); err == nil {
				t.Errorf("%s can be written to", d.Name)
			}
			fs.Close()
		}
	}
}

// TestDynamicVolumesWritten holds that both halves of a mirror, and the parity of a RAID 5,
// follow what is written.
func TestDynamicVolumesWritten(t *testing.T) {
	names := []string{"2008r2-mirrored-1", "2008r2-mirrored-2", "2008r2-raid5-1", "2008r2-raid5-2", "2008r2-raid5-3"}
	paths := dynamicDisks(t, names...)
	data := strings.Repeat("written by the kernel's own driver\n", 10000)
	img := openDisks(t, paths, unboot.Writable())
	volumes := []string{"/dev/mapper/ldm_vol_WIN-ERRDJSBDAVF-Dg0_Volume3", "/dev/mapper/ldm_vol_WIN-ERRDJSBDAVF-Dg0_Volume4"}
	for _, v := range volumes {
		fs, err := img.Mount(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.WriteFile("new.txt", []byte(data), 0o666); err != nil {
			t.Error(err)
		}
		if err := fs.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	for _, without := range [][]string{{paths[0], paths[2], paths[3]}, {paths[1], paths[3], paths[4]}, {paths[1], paths[2], paths[4]}} {
		img := openDisks(t, without)
		for _, v := range volumes {
			fs, err := img.Mount(v, unboot.ReadOnly())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fs.ReadFile("new.txt"); string(got) != data {
				t.Errorf("%s on %q: %d bytes, %v", v, without, len(got), err)
			}
			fs.Close()
		}
		img.Close()
	}
}
