package resizetool

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestLeast asks the programs themselves, of file systems that they then have to make as small.
func TestLeast(t *testing.T) {
	testimg.Need(t, "mkfs.ext4", "resize2fs", "e2fsck", "mkfs.ntfs", "ntfsresize")
	for _, c := range []struct{ fstype, mkfs, resize string }{
		{"ext4", "mkfs.ext4 -q -b 1024", "resize2fs %f $(($1/1024))K && e2fsck -fn %f"},
		{"ntfs", "mkfs.ntfs -q -f -F", "ntfsresize -P -f -f -s $1 %f"},
	} {
		file := filepath.Join(t.TempDir(), "img")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, 64<<20); err != nil {
			t.Fatal(err)
		}
		if _, err := testimg.Run("sh", "-c", c.mkfs+" "+file); err != nil {
			t.Fatal(err)
		}
		args := Least(c.fstype, file)
		out, failed := exec.Command(args[0], args[1:]...).CombinedOutput()
		n, err := ParseLeast(c.fstype, string(out), 1024, failed)
		if err != nil || n <= 0 || n >= 64<<20 {
			t.Errorf("%s: %d, %v: %s", c.fstype, n, err, out)
			continue
		}
		resize := strings.NewReplacer("%f", file).Replace(c.resize)
		if _, err := testimg.Run("sh", "-c", resize, "sh", strconv.FormatInt(n, 10)); err != nil {
			t.Errorf("%s does not become %d bytes large: %v", c.fstype, n, err)
		}
	}
	if Least("xfs", "x") != nil {
		t.Error("there is no program for XFS")
	}
}

// TestParse are answers that do not come from an empty file system.
func TestParse(t *testing.T) {
	failed := errors.New("exit status 1")
	full := "Current volume size: 4190208 bytes (5 MB)\nERROR: Volume is full. To shrink it, delete unused files.\n"
	for _, c := range []struct {
		fstype, out string
		failed      error
		want        int64
	}{
		{"ext4", "resize2fs 1.47.0\nEstimated minimum size of the filesystem: 7\n", nil, 7 * 4096},
		{"ext4", "Estimated minimum size of the filesystem: 7\n", failed, -1},
		{"ext4", "Estimated minimum size of the filesystem: 9223372036854775807\n", nil, -1},
		{"ext4", "", nil, -1},
		{"ntfs", full, failed, 4190208},
		{"ntfs", "You might resize at 123 bytes or 1 MB\n", nil, 123},
		{"ntfs", "", failed, -1},
	} {
		n, err := ParseLeast(c.fstype, c.out, 4096, c.failed)
		if err == nil != (c.want >= 0) || err == nil && n != c.want {
			t.Errorf("%q: %d, %v", c.out, n, err)
		}
	}
}
