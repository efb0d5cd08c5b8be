package fat

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

var clusters = regexp.MustCompile(`([0-9]+)/([0-9]+) clusters`)

// TestRead compares the numbers with those of fsck.fat(8), which counts clusters by the
// files that have them.
func TestRead(t *testing.T) {
	testimg.Need(t, "mkfs.vfat", "mcopy", "fsck.vfat")
	for name, c := range map[string]struct {
		mib  int
		args []string
	}{
		"FAT12":                 {4, []string{"-F", "12"}},
		"FAT12 floppy":          {2, []string{"-F", "12", "-s", "1"}},
		"FAT16":                 {64, []string{"-F", "16"}},
		"FAT16, large clusters": {256, []string{"-F", "16", "-s", "64"}},
		"FAT32":                 {128, []string{"-F", "32", "-s", "1"}},
		"FAT32, large sectors":  {600, []string{"-F", "32", "-S", "4096"}},
	} {
		image := filepath.Join(t.TempDir(), "fat")
		if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, int64(c.mib)<<20)); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "mkfs.vfat", append(c.args, image)...)
		for i, size := range []int{1, 3000, 100_000, 1_000_001} {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
				t.Fatal(err)
			}
			testimg.MustRun(t, "mcopy", "-i", image, file, fmt.Sprint("::file", i))
		}
		f, err := os.Open(image)
		if err != nil {
			t.Fatal(err)
		}
		u, err := Read(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, _ := exec.Command("fsck.vfat", "-n", image).CombinedOutput() // its status says more than errors
		m := clusters.FindSubmatch(out)
		if m == nil {
			t.Fatalf("%s: %s", name, out)
		}
		used, _ := strconv.ParseInt(string(m[1]), 10, 64)
		all, _ := strconv.ParseInt(string(m[2]), 10, 64)
		if u.Clusters != all || u.Clusters-u.Free != used {
			t.Errorf("%s: %+v, fsck.fat says %d of %d", name, u, used, all)
		}
	}
}

func TestDamaged(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 10), make([]byte, 512), bytes.Repeat([]byte{0xff}, 4096)} {
		if u, err := Read(bytes.NewReader(b)); err == nil {
			t.Errorf("%d bytes: %+v", len(b), u)
		}
	}
}

func FuzzRead(f *testing.F) {
	boot := make([]byte, 8192)
	copy(boot[11:], "\x00\x02\x01\x01\x00\x01\x10\x00\x0c\x00\xf8\x02\x00")
	f.Add(boot)
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := Read(bytes.NewReader(b))
		if err == nil && (u.Free < 0 || u.Free > u.Clusters || u.ClusterSize < 512) {
			t.Errorf("%+v", u)
		}
	})
}
