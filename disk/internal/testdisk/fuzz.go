package testdisk

import (
	"testing"

	"github.com/unboot/unboot/disk"
)

// A Target is a format whose images are not to be trusted.
type Target struct {
	// Open opens an image, for writing if the file is.
	Open func(d *Disk) (disk.Device, error)
	// Check checks and repairs it.
	Check func(d *Disk, r disk.Repair) (disk.CheckResult, error)
	// Unit is what is written at a time, in bytes.
	Unit int64
	// Strict says that what is wrong with an image is found before it is written to: what was
	// written must be there even if Check had found errors.
	Strict bool
}

// Read opens an image, and reads and checks it, if it can be opened. Nothing may be changed.
func (f *Target) Read(t testing.TB, image *Disk) {
	t.Helper()
	d := image.Clone()
	d.ReadOnly = true
	f.Check(d, disk.RepairNothing)
	if m, err := f.Open(d); err == nil {
		Exercise(t, m)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if !d.Equal(image) {
		t.Error("reading, or Check, has changed something")
	}
}

// Write writes to an image that can be opened. What was written is there, now, when the image
// is opened again, and after it was repaired, unless Check had found errors before.
func (f *Target) Write(t testing.TB, image *Disk) {
	t.Helper()
	d := image.Clone()
	d.ReadOnly = false
	before, err := f.Check(image.Clone(), disk.RepairNothing)
	sane := err == nil && before.Errors == 0
	m, err := f.Open(d)
	if err != nil {
		return
	}
	written := Scribble(m, f.Unit)
	m.Flush()
	verify := func(m disk.Device, when string) {
		if sane || f.Strict {
			written.Verify(t, m, when)
		}
	}
	verify(m, "written")
	if err := m.Close(); err != nil && sane {
		t.Error(err)
	}
	for _, when := range []string{"opened again", "repaired"} {
		d.ReadOnly = true
		again, err := f.Open(d)
		if err != nil {
			if sane || f.Strict {
				t.Errorf("it cannot be %s: %v", when, err)
			}
			return
		}
		verify(again, when)
		again.Close()
		d.ReadOnly = false
		if after, err := f.Check(d, disk.RepairAll); sane && (err != nil || after.Errors > after.ErrorsFixed) {
			t.Errorf("it has errors: %+v, %v", after, err)
		}
	}
}
