package session

import (
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/internal/rig"
)

// TestMain lets the test's binary be the program that libguestfs starts.
func TestMain(m *testing.M) {
	if hv.Invoked(os.Args[0]) {
		os.Exit(hv.Main(os.Args[1:]))
	}
	os.Unsetenv("UNBOOT_HV_FALLBACK")
	rig.Main(m)
}
