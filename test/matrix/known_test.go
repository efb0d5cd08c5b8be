package matrix

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestKnownJFS shows what keeps jfs from being called writable: when entries of
// a directory of more than some hundred are removed, others are lost. Once it
// passes, take noDelete away from the jfs of writables, and correct
// kernel/FILESYSTEMS.md.
func TestKnownJFS(t *testing.T) {
	w := writable{fstype: "jfs", options: testimg.Options{Size: 192 << 20}}
	images := w.images(t)
	const n = 400
	failed, left := 0, 0
	w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
		r := &runner{t: t, s: ours{&k.View}, root: dir}
		r.mkdir("many")
		for i := range n {
			r.file(fmt.Sprintf("many/entry-%05d", i), nil)
		}
		for i := 0; i < n; i += 2 {
			if r.s.Unlinkat(unix.AT_FDCWD, r.path(fmt.Sprintf("many/entry-%05d", i)), 0) != nil {
				failed++
			}
		}
		if r.s.list(r.path("many"), func(string, *unix.Statx_t) { left++ }) != nil {
			failed++
		}
	})
	if failed > 0 || left != n/2 {
		t.Skipf("known: of %d removals %d failed, and %d entries of %d are left", n/2, failed, left, n/2)
	}
}
