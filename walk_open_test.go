package unboot_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// A walk has several directories open at a time, in more than one goroutine. None stays so.
func TestWalkLeavesNothingOpen(t *testing.T) {
	f := mount(t, testimg.Writable(t, testimg.Busybox(t)), unboot.Writable())
	for i := range 300 {
		rig.Check(t, "mkdir", f.MkdirAll(fmt.Sprintf("many/%d/%d/a", i%20, i), 0o755))
	}
	descriptors := func() int {
		n := 0
		for _, err := range f.Image().Kernel().ReadDirAt(unix.AT_FDCWD, "/proc/1/fd", unix.O_RDONLY|unix.O_DIRECTORY, 0, 0) {
			rig.Check(t, "readdir", err)
			n++
		}
		return n
	}
	before := descriptors()
	for range 100 {
		for _, err := range f.Walk("many", nil) {
			rig.Check(t, "walk", err)
		}
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
