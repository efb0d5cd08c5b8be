package hosttool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// memDevice is a device in memory, of which nothing is read that NextData leaves out.
type memDevice struct {
	b       []byte
	from    int64 // where data begins
	noClear bool
	read    int64 // bytes
	synced  bool
	err     error // of reads
}

func (d *memDevice) Name() string { return "/dev/sda" }
func (d *memDevice) Size() int64  { return int64(len(d.b)) }
func (d *memDevice) Sync() error  { d.synced = true; return nil }

func (d *memDevice) NextData(off int64) int64 { return max(off, d.from) }

func (d *memDevice) Clear() error {
	if d.noClear {
		return unix.EOPNOTSUPP
	}
	clear(d.b)
	return nil
}

func (d *memDevice) ReadAt(p []byte, off int64) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n := copy(p, d.b[off:])
	d.read += int64(n)
	if off+int64(n) == d.Size() {
		return n, io.EOF // as io.ReaderAt may
	}
	return n, nil
}

func (d *memDevice) WriteAt(p []byte, off int64) (int, error) { return copy(d.b[off:], p), nil }

// TestOnDevices finds what gets to a tool and back from it, by what it is used for.
func TestOnDevices(t *testing.T) {
	testimg.Need(t, "sh", "dd", "cksum")
	const size = 3<<20 + 512
	t.Setenv("TMPDIR", t.TempDir())
	run := func(d *memDevice, use Use, script string) (string, int, error) {
		return OnDevices(t.Context(), Command{Name: "sh", Args: []string{"-c", script, "sh", Arg(0)}, Use: use}, []Device{d}, []int{3})
	}
	fill := func() *memDevice {
		d := &memDevice{b: make([]byte, size), from: 1 << 20}
		for i := 1 << 20; i < size; i++ {
			d.b[i] = byte(i / 4096 % 3)
		}
		return d
	}
	write := "printf hello | dd of=$1 bs=1 seek=%d conv=notrunc status=none; "
	d := fill()
	want := testimg.MustRun(t, "sh", "-c", "cat "+testFile(t, d.b)+" | cksum")
	if out, status, err := run(d, Reads, "cksum <$1; "+fmt.Sprintf(write, 0)+"exit 3"); out != want || status != 3 || err != nil {
		t.Errorf("%q, %d, %v, want %q", out, status, err, want)
	}
	if d.read > size-1<<20 || d.synced || !bytes.Equal(d.b, fill().b) {
		t.Errorf("%d bytes were read, written %t", d.read, d.synced)
	}
	// A tool that fails has changed what it wanted to change; one that is killed has not.
	var failed *Error
	for script, changed := range map[string]bool{"exit 4": true, "kill -9 $$": false} {
		d := fill()
		if _, _, err := run(d, Changes, fmt.Sprintf(write, size-5)+script); !errors.As(err, &failed) {
			t.Errorf("%s: %v", script, err)
		}
		want := fill().b
		if changed {
			copy(want[size-5:], "hello")
		}
		if !bytes.Equal(d.b, want) || d.synced != changed {
			t.Errorf("%s: the device is not as it should be", script)
		}
	}
	for _, noClear := range []bool{false, true} {
		d := fill()
		d.noClear = noClear
		if _, _, err := run(d, Makes, "test $(tr -d '\\0' <$1 | wc -c) = 0 && "+fmt.Sprintf(write, 2<<20)); err != nil {
			t.Error(err)
		}
		want := make([]byte, size)
		copy(want[2<<20:], "hello")
		if !bytes.Equal(d.b, want) {
			t.Errorf("no holes %t: the device has something other than what was made", noClear)
		}
	}
	d = fill()
	d.err = unix.EIO
	var path *fs.PathError
	if _, _, err := run(d, Reads, "exit 0"); !errors.As(err, &path) || path.Path != "/dev/sda" || path.Err != unix.EIO {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := OnDevices(ctx, Command{Name: "sh"}, []Device{fill()}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// testFile writes a file of the host and returns its path.
func testFile(t *testing.T, b []byte) string {
	t.Helper()
	name := t.TempDir() + "/file"
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
