package fusefs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/fusefs"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(mapVariable); path != "" {
		if err := writeMap(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	rig.Main(m)
}

// mount mounts an image for the test. What is written goes to the file.
func mount(t testing.TB, image string, o *fusefs.Options, options ...unboot.Option) (dir string) {
	t.Helper()
	dir, _ = mountImage(t, image, o, options...)
	return dir
}

func mountImage(t testing.TB, image string, o *fusefs.Options, options ...unboot.Option) (string, *unboot.Image) {
	t.Helper()
	fsys := open(t, image, options...)
	dir := t.TempDir()
	m, err := fusefs.Mount(context.Background(), fsys, dir, o)
	if errors.Is(err, fusefs.ErrNoFUSE) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unmount(); err != nil {
			t.Error("unmount: ", err)
			m.End()
		}
	})
	return dir, fsys.Image()
}

// open opens an image for the test.
func open(t testing.TB, image string, options ...unboot.Option) *unboot.FS {
	t.Helper()
	img, err := unboot.Open(context.Background(), image, options...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rig.Check(t, "close", img.Close()) })
	fsys, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// go-fuse's own tests of what POSIX says of files.
func TestPosix(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs", "f2fs"} {
		t.Run(fstype, func(t *testing.T) {
			top := mount(t, testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{})), nil, unboot.Writable())
			for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
				if name == "FcntlFlockLocksFile" {
					// It is for file systems that keep locks themselves: here the host does, for
					// which a process does not exclude itself. go-fuse leaves it out likewise.
					continue
				}
				t.Run(name, func(t *testing.T) {
					dir := filepath.Join(top, name)
					if err := os.Mkdir(dir, 0o755); err != nil {
						t.Fatal(err)
					}
					posixtest.All[name](t, dir)
				})
			}
		})
	}
}
