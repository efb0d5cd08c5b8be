package disk_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

func TestInUse(t *testing.T) {
	path := image(t, 1<<20, "")
	for name, p := range map[string]string{"image": path, "missing": path + ".none", "directory": t.TempDir(), "device": "/dev/null"} {
		if use := disk.InUse(p); use != disk.NotWritten {
			t.Errorf("%s: %v", name, use)
		}
	}
	r, err := disk.OpenRaw(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if disk.InUse(path) != disk.NotWritten {
		t.Error("in use for writing by a reader")
	}
	w, err := disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatal(err)
	}
	if disk.InUse(path) != disk.LockedForWriting {
		t.Error("a writer's lock is not seen")
	}
	w.Close()
	if disk.InUse(path) != disk.NotWritten {
		t.Error("in use after Close")
	}
	// A test leaves nothing behind that would keep others from writing.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if disk.InUse(path) != disk.OpenForWriting {
		t.Skip("the host does not tell who has a file open for writing")
	}
	if disk.Await(context.Background(), path, time.Hour) != disk.OpenForWriting {
		t.Error("a writer without a lock is forgotten")
	}
}

func TestAwait(t *testing.T) {
	path := image(t, 1<<20, "")
	w, err := disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatal(err)
	}
	if disk.Await(context.Background(), path, 0) != disk.LockedForWriting {
		t.Error("the lock is not seen")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if disk.Await(ctx, path, time.Hour) != disk.LockedForWriting {
		t.Error("the lock is gone when the context is")
	}
	done := make(chan disk.Use)
	go func() { done <- disk.Await(context.Background(), path, time.Hour) }()
	select {
	case <-done:
		t.Error("did not wait for the writer")
	case <-time.After(50 * time.Millisecond):
		w.Close()
		if <-done != disk.NotWritten {
			t.Error("in use after Close")
		}
	}
}

func TestInUseByQemu(t *testing.T) {
	path := image(t, 1<<20, "")
	qemuIO(t, path)
	if disk.InUse(path) != disk.LockedForWriting {
		t.Error("qemu writes to it")
	}
	reader := image(t, 1<<20, "")
	qemuIO(t, reader, "-r")
	if disk.InUse(reader) != disk.NotWritten {
		t.Error("qemu only reads it")
	}
}
