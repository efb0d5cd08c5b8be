package ext4

import (
	"testing"

	"github.com/unboot/unboot/internal/fsctl"
	"github.com/unboot/unboot/internal/fsctl/fsctltest"
)

// TestSetUUID finds the bytes of a struct fsuuid. Its length is not in the number of the
// ioctl, as it has an array without one.
func TestSetUUID(t *testing.T) {
	v := &fsctltest.View{}
	id := [16]byte{1, 2, 3, 15: 16}
	if err := (FS{View: v, FD: 3}).SetUUID(id); err != nil {
		t.Error(err)
	}
	c := v.Last()
	if want := fsctl.Number(fsctl.Write, 'f', 44, 8); c.Req != want || c.FD != 3 {
		t.Errorf("%#x on %d, want %#x", c.Req, c.FD, want)
	}
	if len(c.Arg) != 24 || c.Arg[0] != 16 || [16]byte(c.Arg[8:]) != id {
		t.Errorf("%x", c.Arg)
	}
}
