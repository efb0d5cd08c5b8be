package unboot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// TestMain runs the tests, then looks for leftovers: open
// descriptors, goroutines, kernel processes.
func TestMain(m *testing.M) {
	// Resources that stay for the life of the program must be there before: the
	// image, what programs run in, and the thread that starts kernels.
	rig.Settle()
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if leak := leaks(before); leak != "" {
			fmt.Fprintln(os.Stderr, "left behind:", leak)
			code = 1
		}
	}
	os.Exit(code)
}

// descriptors returns the open descriptors and what they are.
func descriptors() map[string]string {
	open := map[string]string{}
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = to
		}
	}
	return open
}

// leaks says what is left, after a while to go away.
func leaks(before map[string]string) (leak string) {
	for range 50 {
		leak = ""
		for fd, to := range descriptors() {
			if before[fd] != to && !strings.HasPrefix(to, "anon_inode:[event") && !strings.HasPrefix(to, "/proc/") {
				leak += fmt.Sprintf("\n\tdescriptor %s: %s", fd, to)
			}
		}
		for _, children := range must(filepath.Glob("/proc/self/task/*/children")) {
			if kids, _ := os.ReadFile(children); len(kids) > 0 {
				leak += "\n\tchildren: " + string(kids)
			}
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, g := range strings.Split(string(stacks), "\n\n")[1:] {
			if strings.Contains(g, "unboot.(*") {
				leak += "\n" + g
			}
		}
		if leak == "" {
			return ""
		}
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
	return leak
}

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
