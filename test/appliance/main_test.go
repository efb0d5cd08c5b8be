// Package appliance compares unmodified programs of libguestfs on unboot with what they
// do on libguestfs's own appliance.
//
// Each file in testdata/scenario is a session of a shell: the images it starts with, the
// commands, and what they printed with the real appliance, their exit status included.
// The test runs the same commands with unboot instead of qemu. Differences must be
// in docs/differences.md, with a reason, line by line: a difference that is not listed
// fails, and so does one that is listed and no longer exists.
//
// # Recording
//
// Where qemu, a kernel and libguestfs's appliance are installed, as root,
//
//	UNBOOT_RECORD_APPLIANCE=. go test -timeout 2h ./test/appliance
//
// has the real appliance run the commands, and writes what it says into the files. The
// value is a regular expression for the names of the sessions. It takes about 20 s for
// each program. Otherwise no virtual machine is ever started.
//
//	UNBOOT_UPDATE_DIFFERENCES=1 go test ./test/appliance
//
// rewrites docs/differences.md; what has no reason yet is at its end then, and the
// test fails until it has been moved under one.
package appliance

import (
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/hv"
)

// TestMain lets the test's program be what libguestfs starts.
func TestMain(m *testing.M) {
	if hv.Invoked(os.Args[0]) {
		os.Exit(hv.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
