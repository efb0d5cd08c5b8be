package unboot_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// copier is a SharedWriter.
type copier struct {
	bytes.Buffer
	shared int
}

func (c *copier) WriteShared(p []byte) (int, error) {
	c.shared += len(p)
	return c.Write(p)
}

// A range of a file, or of a device, is written to whatever there is as ReadAt reads it.
func TestWriteRangeTo(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 64 << 20, Tree: true}))
	data := testimg.Pattern(9<<20+123, 7)
	img := open(t, image, unboot.Writable())
	if err := must(img.MountAuto()).WriteFile("file", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	whole := must(os.ReadFile(image))
	img = open(t, image)
	file := must(must(img.MountAuto()).OpenFile("file", os.O_RDONLY, 0))
	device := must(img.Devices()[0].Open(os.O_RDONLY))
	for name, c := range map[string]struct {
		f    *unboot.File
		want []byte
	}{"file": {file, data}, "device": {device, whole}} {
		size := int64(len(c.want))
		must(c.f.Seek(17, io.SeekStart))
		for _, r := range []struct{ off, n int64 }{
			{0, -1}, {0, 0}, {0, 1}, {5, 4096}, {4096, 4096}, {1 << 20, 2 << 20}, {1<<20 + 1, 5 << 20}, {0, size}, {size - 5, 5}, {size - 5, 100},
			{size - 3<<20, -1}, {size, 10}, {size + 10, -1}, {size + 10, 10}, {0, size + 1}, {0, math.MaxInt64}, {2 << 20, 2<<20 + 100},
		} {
			end := size
			if r.n >= 0 && r.n < size-min(r.off, size) {
				end = r.off + r.n
			}
			want := c.want[min(r.off, size):end]
			var plain, shared = new(bytes.Buffer), new(copier)
			host := must(os.Create(filepath.Join(t.TempDir(), "out")))
			for w, got := range map[io.Writer]func() []byte{plain: plain.Bytes, shared: shared.Bytes, host: func() []byte { return must(os.ReadFile(host.Name())) }} {
				n, err := c.f.WriteRangeTo(w, r.off, r.n)
				if err != nil || n != int64(len(want)) || !bytes.Equal(got(), want) {
					t.Errorf("%s, %T, %d bytes from %d: wrote %d of %d, %v", name, w, r.n, r.off, n, len(want), err)
				}
			}
			if shared.shared != len(want) {
				t.Errorf("%s: %d of %d bytes were shared", name, shared.shared, len(want))
			}
			host.Close()
		}
		if pos := must(c.f.Seek(0, io.SeekCurrent)); pos != 17 {
			t.Errorf("%s: the offset is %d", name, pos)
		}
		if _, err := c.f.WriteRangeTo(io.Discard, -1, 5); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
		failed := errors.New("full")
		if n, err := c.f.WriteRangeTo(limitWriter{5 << 20, failed}.new(), 0, -1); err != failed || n != 5<<20 {
			t.Errorf("%s: a writer that fails: %d, %v", name, n, err)
		}
	}
}

// limitWriter takes n bytes, and then fails.
type limitWriter struct {
	left int
	err  error
}

func (l limitWriter) new() *limitWriter { return &l }

func (l *limitWriter) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if n < len(p) {
		return n, l.err
	}
	return n, nil
}

// OpenPath takes paths as the kernel does.
func TestOpenPath(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 16 << 20, Tree: true}))
	f := mount(t, image, unboot.Writable())
	if err := errors.Join(f.MkdirAll("a/b", 0o755), f.WriteFile("a/file", []byte("x"), 0o644), f.Symlink("/../../a/file", "a/link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"/a/file": nil, "//a//b/../file": nil, "/../../../a/file": nil, "/a/link": nil, "/a/file/": unix.ENOTDIR, "/a/nothing": unix.ENOENT, "/a/b/": nil,
	} {
		file, err := f.OpenPath(path, os.O_RDONLY, 0)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		if err == nil {
			if file.Name() != path || file.View() != f.View() {
				t.Errorf("%s: it is called %s", path, file.Name())
			}
			file.Close()
		}
	}
	file := must(f.OpenPath("/a/new", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640))
	must(file.Write([]byte("12")))
	must(file.Write([]byte("3")))
	if st := must(file.Stat()); st.Size() != 3 || st.Mode().Perm() != 0o640 {
		t.Errorf("%v", st)
	}
	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after unmounting: %v", err)
	}
	if _, err := f.OpenPath("/a/file", os.O_RDONLY, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after unmounting: %v", err)
	}
}
