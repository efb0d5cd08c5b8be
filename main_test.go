package unboot_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// TestMain runs the tests, then looks for leftovers: open
// descriptors, goroutines, kernel processes.
func TestMain(m *testing.M) { rig.Main(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// open opens an image for a test, and closes it at the end. Without a kernel
// the test is skipped.
func open(t testing.TB, path string, opts ...unboot.Option) *unboot.Image {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	img, err := unboot.Open(ctx, path, opts...)
	needKernel(t, err)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() {
		if err := img.Close(); err != nil {
			t.Errorf("closing %s: %+v", path, err)
		}
	})
	return img
}

func needKernel(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
}

// mount opens an image and mounts what MountAuto finds.
func mount(t testing.TB, path string, opts ...unboot.Option) *unboot.FS {
	t.Helper()
	f, err := open(t, path, opts...).MountAuto()
	if err != nil {
		t.Fatalf("%+v", err)
	}
	return f
}
