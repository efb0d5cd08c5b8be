package field

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

func TestMain(m *testing.M) { rig.Main(m) }

const files = "../../../shared/cases/files"

// image unpacks an image.
func image(t *testing.T, name string) string {
	t.Helper()
	packed := filepath.Join(files, name+".xz")
	if _, err := os.Stat(packed); err != nil {
		t.Skip("not beside this checkout: ", err)
	}
	path := filepath.Join(t.TempDir(), "image")
	out, err := os.Create(path)
	rig.Check(t, "create", err)
	defer out.Close()
	cmd := exec.Command("xz", "-dc", packed)
	cmd.Stdout = out
	rig.Check(t, "xz", cmd.Run())
	return path
}

// mount mounts the content of an image for reading. Whatever the result, the image must
// not change.
func mount(t *testing.T, name string) (*unboot.FS, error) {
	t.Helper()
	path := image(t, name)
	unchanged := rig.Unchanged(t, path)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	img, err := unboot.Open(ctx, path)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "open", err)
	t.Cleanup(func() {
		img.Close()
		unchanged()
	})
	return img.MountAuto()
}

// TestFiles: each of the images shows what it holds.
func TestFiles(t *testing.T) {
	for _, c := range []struct {
		name  string
		names string            // in its root; "-" if there are none, "" for any
		sums  map[string]string // the start of a file's SHA-256
	}{
		{"dissect.ntfs-ntfs.bin", "", map[string]string{"Random.bin": "abe14bae"}},
		{"hfsinspect-test.img", "", nil},
		{"syzkaller-hfsplus_0.img", "file.cold file0 file1 file2 file3", nil},
		{"syzkaller-hfs_0.img", "file.cold file0 file1 file2", nil},
		{"syzkaller-hfs_3.img", "file.cold file0 file1 file2", nil},
		{"syzkaller-squashfs_9.img", "", nil},
		{"syzkaller-bfs_0.img", "-", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := mount(t, c.name)
			rig.Check(t, "mount", err)
			entries, err := f.ReadDir(".")
			rig.Check(t, "list", err)
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			got := cmp.Or(strings.Join(names, " "), "-")
			if c.names != "" && got != c.names || c.names == "" && got == "-" {
				t.Errorf("%q, want %q", got, c.names)
			}
			everything(t, f)
			for name, want := range c.sums {
				data, err := f.ReadFile(name)
				rig.Check(t, "read", err)
				if got := fmt.Sprintf("%x", sha256.Sum256(data)); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s, want %s…", name, got, want)
				}
			}
		})
	}
}

// everything reads all metadata, in both ways.
func everything(t *testing.T, f *unboot.FS) {
	t.Helper()
	for e, err := range f.Walk(".", &unboot.WalkOptions{Links: true, Xattrs: true}) {
		rig.Check(t, "walk", err)
		if e.Err != nil {
			t.Errorf("%s: %v", e.Path(), e.Err)
			continue
		}
		if _, err := f.MetadataOf(e); err != nil {
			t.Errorf("%s: %v", e.Path(), err)
		}
		if _, err := f.Metadata(e.Path()); err != nil {
			t.Errorf("%s: %v", e.Path(), err)
		}
	}
}

// TestWeakMagic: the bytes of an erofs that look like the signature of a minix file system
// are not taken for one.
func TestWeakMagic(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	img, err := unboot.Open(ctx, image(t, "util-linux-erofs-minix-magic.img"))
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "open", err)
	defer img.Close()
	if c := img.Devices()[0].Content; c == nil || c.Type != "erofs" {
		t.Errorf("%+v", c)
	}
}

// TestBroken: an image that cannot be read results in an error that says what is wrong
// with it.
func TestBroken(t *testing.T) {
	for _, name := range []string{"syzkaller-jfs-0078.img", "libarchive-zisofs_overflow.iso"} {
		t.Run(name, func(t *testing.T) {
			f, err := mount(t, name)
			if err == nil {
				err = fs.WalkDir(f, ".", func(p string, d fs.DirEntry, err error) error {
					if err == nil && d.Type().IsRegular() {
						_, err = f.ReadFile(p)
					} else if err == nil {
						_, err = f.Stat(p)
					}
					return err
				})
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, foreign := range []string{"TERM=linux", "HOME=/", "/sbin/init"} {
				if strings.Contains(err.Error(), foreign) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}
