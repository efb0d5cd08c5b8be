package unboot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// A faultyDisk is an image file that the program serves, until it is made to fail.
type faultyDisk struct {
	*os.File
	size       int64
	readFault  atomic.Pointer[error]
	writeFault atomic.Pointer[error]
	badSector  atomic.Int64 // offset of a byte that cannot be read, or 0
}

func serve(t *testing.T, image string) *faultyDisk {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &faultyDisk{File: f, size: st.Size()}
}

func (d *faultyDisk) Size() int64  { return d.size }
func (d *faultyDisk) Flush() error { return d.Sync() }

func (d *faultyDisk) ReadAt(p []byte, off int64) (int, error) {
	if err := d.readFault.Load(); err != nil {
		return 0, *err
	}
	if bad := d.badSector.Load(); bad > 0 && off <= bad && bad < off+int64(len(p)) {
		return 0, unix.EIO
	}
	return d.File.ReadAt(p, off)
}

func (d *faultyDisk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.writeFault.Load(); err != nil {
		return 0, *err
	}
	return d.File.WriteAt(p, off)
}

func fault(err error) *error { return &err }

// A disk that cannot be read any more: the error has the file's path, the
// errno, and the kernel's words.
func TestReadFault(t *testing.T) {
	d := serve(t, testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Tree: true})))
	f := mount(t, "", unboot.AddDevice("faulty", d))
	must(f.Stat("contents"))
	d.readFault.Store(fault(errors.New("the image was cut off")))
	var failed error
	for e, err := range f.Walk("contents", nil) {
		if err == nil && e.Mode().IsRegular() && e.Size() > 0 {
			_, err = f.ReadFile(e.Path())
		}
		if err != nil {
			failed = err
			break
		}
	}
	if !errors.Is(failed, unix.EIO) {
		t.Fatal(failed)
	}
	if pe, ok := errors.AsType[*fs.PathError](failed); !ok || !strings.HasPrefix(pe.Path, "contents") {
		t.Errorf("%v is not a PathError", failed)
	}
	le, ok := errors.AsType[*unboot.LogError](failed)
	if !ok || !strings.Contains(fmt.Sprintf("%+v", le), "I/O error") {
		t.Errorf("%+v does not have the kernel's words", failed)
	}
	if !strings.Contains(failed.Error(), "the image was cut off") {
		t.Errorf("%v does not have the disk's words", failed)
	}
}

// One sector in the middle of a small file cannot be read: no way of reading takes what
// comes before it for the whole.
func TestBadSector(t *testing.T) {
	image := blank(t, "ext4")
	data := testimg.Pattern(30_000, 4711)
	img := open(t, image, unboot.Writable())
	f := must(img.MountAuto())
	for _, name := range []string{"a", "b"} {
		if err := f.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Remove("a"); err != nil { // so that b stands alone, wherever it is
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	d := serve(t, image)
	raw := must(os.ReadFile(image))
	at := bytes.LastIndex(raw, data[12<<10:16<<10])
	if at < 0 {
		t.Fatal("the file's data is not on the disk")
	}
	d.badSector.Store(int64(at) + 512)
	ways := map[string]func(f *unboot.FS) (int, error){
		"ReadFile": func(f *unboot.FS) (int, error) { b, err := f.ReadFile("b"); return len(b), err },
		"ReadFiles": func(f *unboot.FS) (int, error) {
			e := must(f.Stat("b")).(*unboot.Entry)
			data, errs := f.ReadFiles([]*unboot.Entry{e, e})
			return len(data[1]), errs[1]
		},
		"ReadAt": func(f *unboot.FS) (int, error) {
			return must(f.Open("b")).(*unboot.File).ReadAt(make([]byte, 30_000), 0)
		},
		"copy": func(f *unboot.FS) (int, error) { n, err := io.Copy(io.Discard, must(f.Open("b"))); return int(n), err },
		"read": func(f *unboot.FS) (int, error) {
			b, err := io.ReadAll(struct{ io.Reader }{must(f.Open("b"))})
			return len(b), err
		},
		"pieces": func(f *unboot.FS) (int, error) {
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{must(f.Open("b"))}, make([]byte, 1000))
			return int(n), err
		},
	}
	for way, read := range ways {
		t.Run(way, func(t *testing.T) {
			f := mount(t, "", unboot.AddDevice("bad", d))
			if n, err := read(f); !errors.Is(err, unix.EIO) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// A disk that is full, or broken: what was not written is not said to be.
func TestWriteFault(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EIO} {
		for _, fstype := range []string{"ext4", "xfs", "vfat"} {
			t.Run(fstype+" "+errno.Error(), func(t *testing.T) {
				d := serve(t, blank(t, fstype))
				img, err := unboot.Open(context.Background(), "", unboot.AddDevice("faulty", d), unboot.Writable())
				needKernel(t, err)
				f := must(must(img, err).MountAuto())
				if err := f.WriteFile("before", []byte("x"), 0o644); err != nil {
					t.Error(err)
				}
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
				d.writeFault.Store(fault(errno))
				f.WriteFile("after", make([]byte, 100_000), 0o644)
				w, err := f.OpenFile("before", os.O_WRONLY, 0)
				if err == nil {
					w.Write([]byte("y"))
					if err := w.Sync(); err == nil {
						t.Error("Sync says it is written")
					}
					w.Close()
				}
				if err := img.Close(); err == nil {
					t.Error("Close says it is written")
				} else {
					t.Logf("%v", err)
				}
			})
		}
	}
}

// Failed writes of data that was never synced are reported by Close.
func TestCloseFault(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "vfat", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			d := serve(t, blank(t, fstype))
			img, err := unboot.Open(context.Background(), "", unboot.AddDevice("faulty", d), unboot.Writable())
			needKernel(t, err)
			f := must(must(img, err).MountAuto())
			if err := f.WriteFile("file", make([]byte, 100_000), 0o644); err != nil {
				t.Error(err)
			}
			d.writeFault.Store(fault(unix.EIO))
			if err := img.Close(); !errors.Is(err, unix.EIO) {
				t.Errorf("%v", err)
			} else {
				t.Logf("%v", err)
			}
		})
	}
}

// The overlay of a read-only image is full when there is more to replay than
// it may hold. That fails, and does not write elsewhere.
func TestOverlayLimit(t *testing.T) {
	image := blank(t, "ext4")
	img, err := unboot.Open(context.Background(), image, unboot.Writable())
	needKernel(t, err)
	f := must(must(img, err).MountAuto())
	for i := range 100 {
		if err := f.WriteFile(fmt.Sprint(i), testimg.Pattern(5000, 1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := must(f.Create("synced"))
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	img.Kernel().Kill()
	img.Close()
	before := hash(t, image)
	img = open(t, image, unboot.Overlay("", 8192))
	if _, err := img.MountAuto(); err == nil {
		t.Error("replayed into 8 KiB")
	}
	img = open(t, image, unboot.Overlay(t.TempDir(), 0))
	if _, err := img.MountAuto(); err != nil {
		t.Error(err)
	}
	if hash(t, image) != before {
		t.Error("the image has changed")
	}
}
