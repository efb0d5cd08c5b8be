package guestfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestMain makes the tests' program what LIBGUESTFS_HV names, if it is started as that.
func TestMain(m *testing.M) {
	if hv.Invoked(os.Args[0]) {
		os.Exit(hv.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// create returns a handle without the environment, closed at the end of the test.
func create(t testing.TB) *Guestfs {
	t.Helper()
	g, err := Create_flags(CREATE_NO_ENVIRONMENT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if g.isClosed() {
			return
		}
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

// needKernel skips a test in a program that was built without the engine's kernel.
func needKernel(t testing.TB) {
	t.Helper()
	k, err := lkl.Boot(t.Context(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err == nil {
		k.Kill()
	}
}

func raw(readonly bool) *OptargsAdd_drive {
	return &OptargsAdd_drive{Format_is_set: true, Format: "raw", Readonly_is_set: true, Readonly: readonly}
}

// launched returns a handle with an image, which is mounted.
func launched(t testing.TB, image string, readonly bool) *Guestfs {
	t.Helper()
	needKernel(t)
	g := create(t)
	check(t, g.Add_drive(image, raw(readonly)))
	check(t, g.Launch())
	if readonly {
		check(t, g.Mount_ro("/dev/sda", "/"))
	} else {
		check(t, g.Mount("/dev/sda", "/"))
	}
	return g
}

// ext4 returns a writable image with nothing in it.
func ext4(t *testing.T) string {
	t.Helper()
	return testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns a result.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fails checks an error's parts.
func fails(t *testing.T, err error, op, errmsg string, errno syscall.Errno) {
	t.Helper()
	var e *GuestfsError
	switch {
	case !errors.As(err, &e):
		t.Errorf("%v is not a GuestfsError", err)
	case e.Op != op || e.Errmsg != errmsg || e.Errno != errno:
		t.Errorf("op %q, text %q, errno %v; want %q, %q, %v", e.Op, e.Errmsg, e.Errno, op, errmsg, errno)
	}
}

// blank makes an image without contents.
func blank(t testing.TB, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	check(t, os.WriteFile(name, nil, 0o600))
	check(t, os.Truncate(name, size))
	return name
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
