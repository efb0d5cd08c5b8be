package imgtest

import (
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// Convert has qemu-img convert make an image of a content, with options, and returns its path.
func Convert(t testing.TB, content []byte, format string, options ...string) string {
	t.Helper()
	testimg.Need(t, "qemu-img")
	dir := Write(t, map[string][]byte{"raw": content})
	image := filepath.Join(dir, "image")
	args := append([]string{"convert", "-q", "-t", "unsafe", "-f", "raw", "-O", format}, options...)
	testimg.MustRun(t, "qemu-img", append(args, filepath.Join(dir, "raw"), image)...)
	return image
}

// Overlay has QEMU make an image on another one, and write to it: the pattern 0x5a to n
// bytes at off.
func Overlay(t testing.TB, format, backing, backingFormat string, off, n string) string {
	t.Helper()
	image := filepath.Join(filepath.Dir(backing), "overlay-"+filepath.Base(backing))
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", format, "-F", backingFormat, "-b", filepath.Base(backing), image)
	testimg.MustRun(t, "qemu-io", "-t", "unsafe", "-f", format, "-c", "write -P 0x5a "+off+" "+n, image)
	return image
}

// Samples unpacks some of the images of QEMU's own tests, and returns their directory.
func Samples(t testing.TB, names ...string) string {
	t.Helper()
	testimg.Need(t, "bunzip2")
	dir := t.TempDir()
	args := []string{"-xf", testimg.Source(t, "qemu"), "-C", dir, "--strip-components=4", "--wildcards"}
	for _, name := range names {
		args = append(args, "*/qemu-iotests/sample_images/"+name+".bz2")
	}
	testimg.MustRun(t, "tar", args...)
	for _, name := range names {
		testimg.MustRun(t, "bunzip2", filepath.Join(dir, name+".bz2"))
	}
	return dir
}
