package inspect_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestMounted has each tree of this package's tests on a disk of its own, mounted by the
// kernel: what is found there has to be what is found in the tree itself, whose reader
// lists no directories first and resolves links by itself.
func TestMounted(t *testing.T) {
	testimg.Need(t, "mke2fs")
	trees := inspect.GuestfsTrees()
	for name := range trees {
		if name == "fstab" || name == "fstab-bsd" {
			delete(trees, name) // which are about other devices
		}
	}
	names := slices.Sorted(maps.Keys(trees))
	const atOnce = 24 // disks of one machine
	for chunk := range slices.Chunk(names, atOnce) {
		dir := t.TempDir()
		var opts []unboot.Option
		first := ""
		for i, name := range chunk {
			tree, disk := filepath.Join(dir, fmt.Sprint(i)), filepath.Join(dir, fmt.Sprint("disk", i))
			if err := errors.Join(os.Mkdir(tree, 0o755), trees[name].Write(tree)); err != nil {
				t.Fatal(err)
			}
			testimg.MustRun(t, "mke2fs", "-q", "-F", "-t", "ext2", "-d", tree, disk, "1024k")
			if i == 0 {
				first = disk
			} else {
				opts = append(opts, unboot.AddDisk(disk))
			}
		}
		img, err := unboot.Open(t.Context(), first, opts...)
		if errors.Is(err, lkl.ErrNoKernel) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		for _, way := range []struct {
			name string
			find func(inspect.Source) ([]*inspect.Root, error)
		}{{"Image", inspect.Image}, {"Find", inspect.Find}} {
			in, err := img.Inspect(way.find)
			if err != nil {
				t.Fatal(err)
			}
			in.Close()
			found := map[string]*inspect.Root{}
			for _, r := range in.Roots {
				found[r.Device] = r
			}
			for i, name := range chunk {
				want, err := inspect.Tree(trees[name].FS())
				got := found[inspect.DiskDevice(i)]
				switch {
				case (err == nil) != (got != nil):
					t.Errorf("%s of %s: %v, in the tree %v, %v", way.name, name, got, want, err)
				case got == nil:
				case way.name == "Image" && described(got.System) != described(want), identified(got.System) != identified(want):
					t.Errorf("%s of %s: %s, in the tree %s", way.name, name, described(got.System), described(want))
				}
			}
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
}

// identified is what Find fills in, too.
func identified(s *inspect.System) string { return fmt.Sprint(s.Type, s.Distro, s.Format, s.Major) }

func described(s *inspect.System) string {
	return fmt.Sprintf("%s %s %q %q %d.%d %s %s %s %q %q", identified(s), s.ID, s.Product, s.Version, s.Major, s.Minor,
		s.Codename, s.Arch, s.PackageManagement, s.Hostname, s.Kernels)
}
