package testimg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A BlkidImage is an image of util-linux's own tests of blkid.
type BlkidImage struct {
	Name   string // such as "xfs"
	packed string
	want   string // what Expected reads
}

// BlkidImages returns the images of a folder of tests/ts/blkid in the source of
// util-linux, of which there must be at least some, and what begins the names of the
// files that say what is expected of them.
func BlkidImages(t testing.TB, folder, prefix string, least int) (list []BlkidImage) {
	t.Helper()
	Need(t, "tar", "xz")
	dir := t.TempDir()
	MustRun(t, "tar", "-xf", Source(t, "util-linux"), "-C", dir, "--strip-components=1",
		"--wildcards", "*/tests/ts/blkid/"+folder, "*/tests/expected/blkid")
	packed, err := filepath.Glob(filepath.Join(dir, "tests/ts/blkid", folder, "*.img.xz"))
	check(t, err)
	if len(packed) < least {
		t.Fatalf("%d images in %s", len(packed), folder)
	}
	for _, p := range packed {
		name := strings.TrimSuffix(filepath.Base(p), ".img.xz")
		list = append(list, BlkidImage{name, p, filepath.Join(dir, "tests/expected/blkid", prefix+name)})
	}
	return list
}

// Unpack returns the host path of the image, sparse as the images mostly are.
func (b BlkidImage) Unpack(t testing.TB) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	MustRun(t, "sh", "-c", "xz -dc "+b.packed+" | cp --sparse=always /dev/stdin "+image)
	return image
}

// Expected returns what blkid says of the image.
func (b BlkidImage) Expected(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(b.want)
	check(t, err)
	return string(data)
}
