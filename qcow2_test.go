package unboot_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// TestQcow2: images that qemu-img has made are read as the raw ones are, with the
// backing files that the caller allows.
func TestQcow2(t *testing.T) {
	testimg.Need(t, "qemu-img")
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base"), filepath.Join(dir, "top")
	raw := testimg.FS(t, "ext4", testimg.Options{Tree: true})
	testimg.MustRun(t, "qemu-img", "convert", "-O", "qcow2", raw, base)
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)

	_, err := unboot.Open(context.Background(), top)
	var refused *disk.NotAllowedError
	if !errors.As(err, &refused) || refused.Reference.Path != base {
		t.Errorf("with a backing file: %v", err)
	}
	var asked []string
	allow := unboot.BackingFiles(func(path string) error {
		asked = append(asked, path)
		return nil
	})
	want := listing(t, mount(t, raw))
	if got := listing(t, mount(t, top, allow)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if len(asked) != 1 || asked[0] != base {
		t.Errorf("asked for %q", asked)
	}
}

// listing returns all names, sizes and modes, and the sums of what files hold.
func listing(t *testing.T, fsys *unboot.FS) (list []string) {
	t.Helper()
	for e, err := range fsys.Walk(".", nil) {
		if err != nil {
			t.Fatal(err)
		}
		sum := [32]byte{}
		if e.Mode().IsRegular() && e.Size() < 1<<20 {
			sum = sha256.Sum256(must(fsys.ReadFile(e.Path())))
		}
		list = append(list, fmt.Sprintf("%s %d %v %x", e.Path(), e.Size(), e.Mode(), sum))
	}
	return list
}
