package probe

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestCorpus compares Probe with what util-linux's tests expect of blkid, over all the
// images that its source brings.
func TestCorpus(t *testing.T) {
	testimg.Need(t, "tar", "xz")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "util-linux"), "-C", dir, "--strip-components=1",
		"--wildcards", "*/tests/ts/blkid/images-fs", "*/tests/expected/blkid")
	images, err := filepath.Glob(filepath.Join(dir, "tests/ts/blkid/images-fs/*.img.xz"))
	if err != nil || len(images) < 90 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	for _, packed := range images {
		name := strings.TrimSuffix(filepath.Base(packed), ".img.xz")
		if strings.Contains(name, "-multi-") {
			continue // of a session that begins later, which a caller of blkid has to say
		}
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			// cp makes the file sparse, as the images mostly are.
			testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" | cp --sparse=always /dev/stdin "+image)
			data, err := os.ReadFile(filepath.Join(dir, "tests/expected/blkid/low-probe-"+name))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, probeFile(t, image), udevNames(string(data)))
		})
	}
}

// compare tells how an answer is not what blkid says.
func compare(t *testing.T, got *Info, want map[string]string) {
	t.Helper()
	for _, c := range []struct{ what, got, want string }{
		{"type", got.Type, want["TYPE"]},
		{"usage", string(got.Usage), want["USAGE"]},
		{"label", got.Label, want["LABEL"]},
		{"UUID", got.UUID, want["UUID"]},
		{"UUID_SUB", got.UUIDSub, want["UUID_SUB"]},
		{"version", got.Version, want["VERSION"]},
		{"block size", strconv.FormatInt(got.BlockSize, 10), want["BLOCK_SIZE"]},
	} {
		optional := c.what == "version" || c.what == "block size"
		if c.got != c.want && !(optional && c.want == "") {
			t.Errorf("%s %q, want %q", c.what, c.got, c.want)
		}
	}
}
