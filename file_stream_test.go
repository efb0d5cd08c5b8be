package unboot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// streamImage returns an image whose file "file" has the content, some of it in
// pieces that do not lie together, and some holes.
func streamImage(t *testing.T, fstype string) (image string, content []byte) {
	t.Helper()
	image = blank(t, fstype)
	content = testimg.Pattern(23<<20+1234, 7)
	clear(content[5<<20 : 6<<20])
	clear(content[9<<20+4096 : 9<<20+8192])
	img := open(t, image, unboot.Writable())
	f := must(img.MountAuto())
	w, other := must(f.Create("file")), must(f.Create("other"))
	for off := 0; off < len(content); off += 700 << 10 {
		end := min(off+700<<10, len(content))
		if zero := bytes.Count(content[off:end], []byte{0}) == end-off; !zero {
			must(w.WriteAt(content[off:end], int64(off)))
		}
		if off > 12<<20 {
			must(other.Write(make([]byte, 64<<10)))
			for _, file := range []*unboot.File{w, other} { // now it has its place
				if err := file.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []io.Closer{w, other, img} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return image, content
}

// A large file is sent to whatever a program may have opened, whether the host
// takes it from the image by itself or not.
func TestWriteToFile(t *testing.T) {
	types := []string{"ext4", "xfs", "btrfs"}
	if testing.Short() {
		types = types[:1] // what sends it is the same for all
	}
	for _, fstype := range types {
		image, content := streamImage(t, fstype)
		for name, options := range map[string][]unboot.Option{"read-only": nil, "writable": {unboot.Writable()}} {
			t.Run(fstype+" "+name, func(t *testing.T) {
				f := mount(t, image, options...)
				for name, open := range destinations {
					for _, off := range []int64{0, 1, 3<<20 + 4096, int64(len(content)) - 5, int64(len(content))} {
						w, finish := open(t)
						r := must(f.Open("file")).(*unboot.File)
						must(r.Seek(off, io.SeekStart))
						n, err := r.WriteTo(w)
						pos := must(r.Seek(0, io.SeekCurrent))
						r.Close()
						got := finish()
						if want := content[off:]; err != nil || n != int64(len(want)) || pos != int64(len(content)) || !bytes.Equal(got, want) {
							t.Errorf("%s from %d on: %d bytes written, %d arrived, then at %d, %v", name, off, n, len(got), pos, err)
						}
					}
				}
			})
		}
	}
}

// destinations are what can be written to: each returns a function that closes
// it and returns what has arrived.
var destinations = map[string]func(t *testing.T) (io.Writer, func() []byte){
	"file":   func(t *testing.T) (io.Writer, func() []byte) { return newFile(t, 0) },
	"append": func(t *testing.T) (io.Writer, func() []byte) { return newFile(t, os.O_APPEND) },
	"pipe": func(t *testing.T) (io.Writer, func() []byte) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return w, drain(r, w)
	},
	"blocking pipe": func(t *testing.T) (io.Writer, func() []byte) {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		w := os.NewFile(uintptr(p[1]), "pipe")
		return w, drain(os.NewFile(uintptr(p[0]), "pipe"), w)
	},
	"connection": func(t *testing.T) (io.Writer, func() []byte) {
		l := must(net.Listen("unix", filepath.Join(t.TempDir(), "s")))
		defer l.Close()
		w := must(net.Dial("unix", l.Addr().String()))
		return w, drain(must(l.Accept()), w)
	},
	"writer": func(t *testing.T) (io.Writer, func() []byte) {
		var b bytes.Buffer
		return struct{ io.Writer }{&b}, b.Bytes
	},
}

func newFile(t *testing.T, flag int) (io.Writer, func() []byte) {
	path := filepath.Join(t.TempDir(), "out")
	w := must(os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o600))
	return w, func() []byte {
		w.Close()
		return must(os.ReadFile(path))
	}
}

func drain(r io.ReadCloser, w io.Closer) func() []byte {
	var got []byte
	done := make(chan struct{})
	go func() {
		got, _ = io.ReadAll(r)
		r.Close()
		close(done)
	}()
	return func() []byte {
		w.Close()
		<-done
		return got
	}
}

// An error of either side is reported as that side's, with its words.
func TestWriteToFileErrors(t *testing.T) {
	image, content := streamImage(t, "ext4")
	f := mount(t, image)
	writeTo := func(w io.Writer) (int64, error) {
		r := must(f.Open("file"))
		defer r.Close()
		return r.(*unboot.File).WriteTo(w)
	}

	full := must(os.OpenFile("/dev/full", os.O_WRONLY, 0))
	defer full.Close()
	if n, err := writeTo(full); n != 0 || !errors.Is(err, unix.ENOSPC) || fmt.Sprint(err) != "write /dev/full: no space left on device" {
		t.Errorf("full: %d, %v", n, err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		io.CopyN(io.Discard, r, 9<<20)
		r.Close()
	}()
	n, err := writeTo(w)
	w.Close()
	if n < 9<<20 || n >= int64(len(content)) || !errors.Is(err, unix.EPIPE) {
		t.Errorf("without a reader: %d, %v", n, err)
	}

	// The image has become shorter.
	if err := os.Truncate(image, 4<<20); err != nil {
		t.Fatal(err)
	}
	out, finish := newFile(t, 0)
	n, err = writeTo(out)
	var pathErr *os.PathError
	if got := finish(); !errors.Is(err, unix.EIO) || !errors.As(err, &pathErr) || pathErr.Op != "read" || pathErr.Path != "file" || n != int64(len(got)) || !bytes.Equal(got, content[:n]) {
		t.Errorf("short image: %d, %d arrived, %v", n, len(got), err)
	}
}

// A peer that does not read does not keep the image from being closed.
func TestCloseWhileSending(t *testing.T) {
	image, content := streamImage(t, "ext4")
	img := open(t, image)
	file := must(must(img.MountAuto()).Open("file"))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error)
	go func() {
		_, err := file.(*unboot.File).WriteTo(w)
		sent <- err
	}()
	// Of the second piece, all was found and some is in the pipe.
	must(io.ReadFull(r, make([]byte, 4<<20)))
	closed := make(chan error)
	go func() { closed <- img.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Close waits for who does not read")
	}
	rest := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, r)
		rest <- n
	}()
	if err := <-sent; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the image was closed meanwhile: %v", err)
	}
	w.Close()
	if n := 4<<20 + <-rest; n >= int64(len(content)) {
		t.Errorf("%d bytes", n)
	}
	r.Close()
}
