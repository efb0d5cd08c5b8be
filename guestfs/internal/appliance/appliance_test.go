package appliance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestRootUUID compares what the kernel of an appliance gets as its root with blkid.
func TestRootUUID(t *testing.T) {
	testimg.Need(t, "blkid")
	image := testimg.FS(t, "ext2", testimg.Options{})
	want := strings.TrimSpace(testimg.MustRun(t, "blkid", "-p", "-o", "value", "-s", "UUID", image))
	if got, err := (Files{Root: image}).RootUUID(); err != nil || got != want {
		t.Errorf("%q, %v, blkid says %q", got, err, want)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Files{Root: empty}).RootUUID(); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("an empty disk: %v", err)
	}
	if _, err := (Files{Root: empty + "x"}).RootUUID(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestExist: an appliance of the old form has no root, and counts all the same.
func TestExist(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []Files{In(dir), OldIn(dir)} {
		for _, name := range []string{f.Kernel, f.Initrd, f.Root} {
			if name == "" {
				continue
			}
			if f.Exist() {
				t.Errorf("%+v without %s", f, name)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if !f.Exist() {
			t.Errorf("%+v", f)
		}
	}
}

func TestRootDrive(t *testing.T) {
	got := strings.Join(Files{Root: "/a,b"}.RootDrive(), " ")
	if want := "-drive file=/a,,b,snapshot=on,id=appliance,cache=unsafe,if=none,format=raw -device scsi-hd,drive=appliance"; got != want {
		t.Error(got)
	}
}
