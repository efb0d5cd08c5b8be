package testdm

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// Cryptsetup returns the directory with the test images of an archive among cryptsetup's own
// tests, such as "bitlk-images": Debian's source package is downloaded once.
func Cryptsetup(t testing.TB, archive string) string {
	t.Helper()
	testimg.Need(t, "xz")
	packed := CryptsetupFile(t, archive+".tar.xz")
	dir := filepath.Dir(packed)
	run(t, "tar", "-C", dir, "-xf", packed)
	return filepath.Join(dir, archive)
}

// CryptsetupFile returns a file among cryptsetup's own tests.
func CryptsetupFile(t testing.TB, name string) string {
	t.Helper()
	testimg.Need(t, "tar")
	source := testimg.Source(t, "cryptsetup")
	dir := t.TempDir()
	run(t, "tar", "-C", dir, "--wildcards", "--strip-components=2", "-xf", source, "*/tests/"+name)
	return filepath.Join(dir, name)
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Unxz returns a file of the collection beside the checkout, unpacked.
func Unxz(t testing.TB, name string) string {
	t.Helper()
	testimg.Need(t, "xz")
	packed := filepath.Join("../../../shared/cases/files", name+".xz")
	if _, err := os.Stat(packed); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("xz", "-dc", packed) // which leaves holes for zeros
	cmd.Stdout = f
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Member returns an image as a device.
func Member(t testing.TB, path string) *volume.Member {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	return &volume.Member{R: f, Size: size, SectorSize: volume.SectorSize, Name: "/dev/sda1"}
}
