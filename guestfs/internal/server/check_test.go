package server

import (
	"errors"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

// A drive whose last writer is about to end can be had, one that is written to cannot.
func TestCheckDriveWaits(t *testing.T) {
	path := blank(t)
	w, err := disk.OpenRaw(path, disk.Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := checkDrive(Drive{Path: path}); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("while it is written to: %v", err)
	}
	if err := checkDrive(Drive{Path: path, ReadOnly: true}); err != nil {
		t.Errorf("to read: %v", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { w.Close() })
	if err := checkDrive(Drive{Path: path}); err != nil {
		t.Errorf("when the writer has ended: %v", err)
	}
}
