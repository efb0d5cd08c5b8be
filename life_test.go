package unboot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/unboot/unboot"
)

// An image whose context has ended says so, in the words of package context also
// if the cause is the caller's own.
func TestContextErrors(t *testing.T) {
	image := blank(t, "ext4")
	cause := errors.New("the caller's reason")
	for _, want := range []error{nil, cause} {
		ctx, cancel := context.WithCancelCause(context.Background())
		img, err := unboot.Open(ctx, image)
		needKernel(t, err)
		f := must(must(img, err).MountAuto())
		dir := must(f.Open("."))
		cancel(want)
		<-img.Kernel().Done()
		_, openErr := unboot.Open(ctx, image)
		_, statErr := f.Stat(".")
		_, readErr := f.ReadFile("x")
		_, fileErr := dir.Stat()
		_, copyErr := io.Copy(io.Discard, dir.(*unboot.File))
		for i, err := range []error{openErr, statErr, readErr, fileErr, copyErr, img.Close()} {
			if !errors.Is(err, context.Canceled) || want != nil && !errors.Is(err, want) {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 0, cause)
	defer cancel()
	if _, err := unboot.Open(ctx, image); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
		t.Error(err)
	}
}

// A slowDisk takes its time to make stable what was written.
type slowDisk struct {
	*faultyDisk
	flushed chan struct{}
	once    sync.Once
}

func (d *slowDisk) Flush() error {
	d.once.Do(func() { close(d.flushed) })
	time.Sleep(20 * time.Millisecond)
	return d.faultyDisk.Flush()
}

// A second Close of an image that is being closed returns when it is closed.
func TestCloseTwice(t *testing.T) {
	d := &slowDisk{faultyDisk: serve(t, blank(t, "ext4")), flushed: make(chan struct{})}
	img := open(t, "", unboot.AddDevice("slow", d), unboot.Writable())
	if err := must(img.MountAuto()).WriteFile("file", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	first := make(chan error)
	go func() { first <- img.Close() }()
	<-d.flushed
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-img.Kernel().Done():
	default:
		t.Error("the kernel still runs")
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, err := img.MountAuto(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// A walk that the image's end has come upon says so once.
func TestWalkEndsOnce(t *testing.T) {
	image := blank(t, "ext4")
	img := open(t, image, unboot.Writable())
	f := must(img.MountAuto())
	for i := range 300 {
		if err := f.MkdirAll(fmt.Sprint(i, "/a/b"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	img = must(unboot.Open(ctx, image))
	defer img.Close()
	n, failed := 0, 0
	for _, err := range must(img.MountAuto()).Walk(".", nil) {
		if n++; n == 100 {
			cancel()
			<-img.Kernel().Done()
		}
		if err != nil {
			failed++
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d errors", failed)
	}
}
