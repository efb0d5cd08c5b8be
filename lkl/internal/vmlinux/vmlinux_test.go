package vmlinux

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A stored file is a source that is not embedded.
type stored struct{ *bytes.Reader }

func (stored) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
func (stored) Close() error               { return nil }

func newSource(b []byte) *source {
	f := stored{bytes.NewReader(b)}
	return &source{file: f, r: f, size: int64(len(b))}
}

func TestExecutable(t *testing.T) {
	for _, n := range []int{1, copySize - 1, copySize, copySize + 1, 5*copySize + 77} {
		want := bytes.Repeat([]byte("kernel!"), n/7+1)[:n]
		s := newSource(append(make([]byte, n%3), want...))
		if err := s.skipPadding(); err != nil {
			t.Fatal(err)
		}
		fd, err := executable(s)
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		got := make([]byte, n+10)
		m, err := unix.Pread(fd, got, 0)
		if err != nil || !bytes.Equal(got[:m], want) {
			t.Errorf("%d: read %d, %v", n, m, err)
		}
		if _, err := unix.Pwrite(fd, []byte("x"), 0); err != unix.EPERM {
			t.Errorf("%d: not sealed: %v", n, err)
		}
		if fd < minFd {
			t.Errorf("descriptor %d", fd)
		}
		unix.Close(fd)
	}
}

// A source that ends early is an error, not a short program.
func TestTruncated(t *testing.T) {
	s := newSource(make([]byte, 100))
	s.size = 200
	if fd, err := executable(s); err == nil {
		unix.Close(fd)
		t.Error("no error")
	}
}

// Where memory cannot be executed, a file that has lost its name is.
func TestTemporary(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skip(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	fd, err := temporary(newSource(program), unix.EACCES)
	if err != nil {
		t.Fatal(err)
	}
	i := &Image{fd: fd}
	defer i.Close()
	if err := exec.Command(i.Path()).Run(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpen(t *testing.T) {
	t.Setenv(Variable, "/no/such/kernel")
	if _, err := Open(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	t.Setenv(Variable, "/bin/true")
	i, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(i.Path()).Run(); err != nil {
		t.Error(err)
	}
	i.Close()
	os.Unsetenv(Variable)
	i, err = Open()
	if _, there := files.Open(Name); there != nil {
		if err != ErrMissing {
			t.Errorf("without an image: %v", err)
		}
	} else if err != nil || !i.shared {
		t.Errorf("with an image: %v", err)
	}
}

// The program's own file holds what is embedded, where place says.
func TestPlace(t *testing.T) {
	f, err := files.Open("image/README")
	if err != nil {
		t.Fatal(err)
	}
	data, ok := embeddedString(f)
	want, _ := files.ReadFile("image/README")
	if !ok || data != string(want) {
		t.Fatalf("embedded: %v %q", ok, data)
	}
	exe, off, ok := place(data)
	if !ok {
		t.Fatal("no place")
	}
	defer unix.Close(exe)
	got := make([]byte, len(data))
	if n, err := unix.Pread(exe, got, off); string(got[:max(n, 0)]) != data {
		t.Errorf("got %q, %v", got[:max(n, 0)], err)
	}
	if _, ok := embeddedString(stored{}); ok {
		t.Error("a string of what is not embedded")
	}
	if _, _, ok := place(string(want)); ok {
		t.Error("a place of what is on the heap")
	}
}

func BenchmarkExecutable(b *testing.B) {
	s, err := open(Name)
	if err != nil {
		b.Skip(err)
	}
	b.SetBytes(s.size)
	for b.Loop() {
		fd, err := executable(s)
		if err != nil {
			b.Fatal(err)
		}
		unix.Close(fd)
	}
}

// A program that starts many kernels has the image where it can be mapped.
func TestCopy(t *testing.T) {
	first, err := Open()
	if err == ErrMissing {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if first.Kernel < 0 || first.Offset%pageSize == 0 {
		t.Skip("it can be mapped from this program's file")
	}
	embedded, err := open(Name)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, embedded.size)
	if _, err := embedded.r.ReadAt(want, embedded.start); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		i, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		if i.Offset != 0 {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		got := make([]byte, len(want)+1)
		n, err := unix.Pread(i.Kernel, got, 0)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%d bytes, not those of the image: %v", n, err)
		}
		if _, err := unix.Pwrite(i.Kernel, want[:1], 0); err != unix.EPERM {
			t.Errorf("it can be changed: %v", err)
		}
		if again, err := Open(); err != nil || *again != *i {
			t.Errorf("%+v after %+v, %v", again, i, err)
		}
		return
	}
	t.Error("there is no copy")
}
