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
