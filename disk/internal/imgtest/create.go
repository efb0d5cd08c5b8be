package imgtest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// Create creates an image file in a format.
func Create(t testing.TB, format, path string, o disk.CreateOptions) {
	t.Helper()
	d, err := disk.CreateRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Known().Format(format).Create(d, path, o); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// CreateFails verifies that an image is not created, that the error says why and names the
// image, and that nothing was written.
func CreateFails(t testing.TB, format string, o disk.CreateOptions, want string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	d, err := disk.CreateRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = source.Known().Format(format).Create(d, path, o)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
		t.Errorf("%+v: %v", o, err)
	}
	if d.Size() != 0 {
		t.Errorf("%+v: %d bytes were written", o, d.Size())
	}
}

// Check checks an image file, and repairs what r says.
func Check(t testing.TB, format, path string, r disk.Repair) disk.CheckResult {
	t.Helper()
	d, err := disk.OpenRaw(path, disk.Options{Writable: r != disk.RepairNothing, AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	result, err := source.Known().Format(format).Check(d, path, r)
	if err != nil {
		t.Error(err)
	}
	return result
}

// CheckClean verifies that nothing is wrong with an image.
func CheckClean(t testing.TB, format, path string) {
	t.Helper()
	if result := Check(t, format, path, disk.RepairNothing); result.Errors+result.Leaks > 0 {
		t.Errorf("%+v", result)
	}
}

// CheckErrors verifies that there are no errors in an image. There may be leaks, such as places
// of blocks that were discarded.
func CheckErrors(t testing.TB, format, path string) {
	t.Helper()
	if result := Check(t, format, path, disk.RepairNothing); result.Errors > 0 {
		t.Errorf("%+v", result)
	}
}
