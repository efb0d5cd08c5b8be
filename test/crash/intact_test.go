package crash

import (
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// TestIntact runs a load to its end on each writable file system, with and without enough
// room. Everything that was written is there, in this mount and the next, and the checker
// finds no errors.
func TestIntact(t *testing.T) {
	types := []string{"udf", "minix", "hfs", "fat16"}
	for _, s := range subjects {
		types = append(types, s.fstype)
	}
	for _, fstype := range types {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			intact(t, fstype, 400<<20)
		})
		t.Run(fstype+"-full", func(t *testing.T) {
			t.Parallel()
			intact(t, fstype, 0)
		})
	}
}

func intact(t *testing.T, fstype string, size int64) {
	image := scratch(t, true) + "/image"
	rig.Check(t, "copy", testimg.Copy(testimg.FS(t, fstype, testimg.Options{Size: size}), image))
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)

	k := rig.Boot(t, nil)
	defer k.Kill()
	dir, err := rig.Mount(k, rig.Attach(t, k, image), rig.Driver(fstype), 0, "")
	rig.Check(t, "mount", err)
	writers, err := load(&k.View, dir, 4, 600, seed)
	rig.Check(t, "load", err)
	for _, w := range writers {
		rig.Check(t, "sync", w.sync())
	}
	look := func(when string) {
		t.Helper()
		for _, w := range writers {
			_, wrong := w.verify(&k.View, w.dir)
			for _, msg := range wrong[:min(10, len(wrong))] {
				t.Errorf("%s: %s", when, msg)
			}
		}
	}
	look("after the load")
	rig.Check(t, "unmount", k.Unmount(dir, 0))
	rig.Check(t, "close", k.Close())

	out, err := testimg.FsckOutput(fstype, image)
	var missing *testimg.Missing
	if err != nil && !errors.As(err, &missing) {
		t.Errorf("checker: %v\n%s", err, out)
	}

	k = rig.Boot(t, nil)
	defer k.Kill()
	_, err = rig.Mount(k, rig.Attach(t, k, image), rig.Driver(fstype), unix.MS_RDONLY, "")
	rig.Check(t, "mount again", err)
	look("mounted again")
}
