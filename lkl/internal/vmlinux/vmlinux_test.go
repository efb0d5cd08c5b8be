package vmlinux

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(4) * r.IntN(60))
	}
	return b
}

// A fakeFile is a reader as a file.
type fakeFile struct{ *bytes.Reader }

func (fakeFile) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
func (fakeFile) Close() error               { return nil }

func readerFile(b []byte) fs.File { return fakeFile{bytes.NewReader(b)} }

func TestContainer(t *testing.T) {
	for _, n := range []int{1, BlockSize - 1, BlockSize, BlockSize + 1, 5*BlockSize + 77} {
		for _, compress := range []bool{false, true} {
			testContainer(t, sample(n), compress)
		}
	}
}

func testContainer(t *testing.T, want []byte, compress bool) {
	n := len(want)
	c, err := open(readerFile(Pack(want, compress)))
	if err != nil {
		t.Fatalf("%d: %v", n, err)
	}
	fd, err := executable(c)
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

func TestContainerDamaged(t *testing.T) {
	good := Pack(sample(3*BlockSize), true)
	for name, f := range map[string]func(b []byte) []byte{
		"empty":     func(b []byte) []byte { return nil },
		"magic":     func(b []byte) []byte { b[0]++; return b },
		"count":     func(b []byte) []byte { b[7] = 1; return b },
		"list":      func(b []byte) []byte { return b[:20] },
		"large":     func(b []byte) []byte { b[11] = 1; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"size":      func(b []byte) []byte { b[8]--; return b },
	} {
		c, err := open(readerFile(f(bytes.Clone(good))))
		if err == nil {
			var fd int
			if fd, err = executable(c); err == nil {
				unix.Close(fd)
			}
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Where memory cannot be executed, a file that has lost its name is.
func TestTemporary(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skip(err)
	}
	c, err := open(readerFile(Pack(program, false)))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	fd, err := temporary(c, unix.EACCES)
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
	defer exe.Close()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	got := make([]byte, len(data))
	if err := sendfile(fd, exe, off, int64(len(data))); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Pread(fd, got, 0); string(got[:max(n, 0)]) != data {
		t.Errorf("got %q, %v", got[:max(n, 0)], err)
	}
	if _, ok := embeddedString(readerFile(nil)); ok {
		t.Error("a string of what is not embedded")
	}
	if _, _, ok := place(string(want)); ok {
		t.Error("a place of what is on the heap")
	}
}

// image returns the kernel, or something of its size.
func image() []byte {
	if b, err := os.ReadFile("../../../bin/vmlinux"); err == nil {
		return b
	}
	return sample(7 << 20)
}

func BenchmarkUnpack(b *testing.B) {
	raw := image()
	for name, compress := range map[string]bool{"stored": false, "s2": true} {
		b.Run(name, func(b *testing.B) {
			c, err := open(readerFile(Pack(raw, compress)))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(c.size)
			for b.Loop() {
				fd, err := executable(c)
				if err != nil {
					b.Fatal(err)
				}
				unix.Close(fd)
			}
		})
	}
}
