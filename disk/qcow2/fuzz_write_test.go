package qcow2

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// FuzzWrite opens whatever an image is said to be for writing, and does what a program of
// bytes says. It must end, in bounded memory. An image without errors has none afterwards, and
// reads as it should: what was written last is there, and snapshots are what the disk was.
func FuzzWrite(f *testing.F) {
	every := []byte("\x00\x01\x07\x01\x05\x30\x05\x00\x00\x02\x00\x09\x06\x00\x00\x00\x03\x05\x03\x00\x20\x04\x00\x00\x07\x01\x00\x00\x09\x02\x08\x01\x00\x01\x10\x40")
	seeds(f, func(b []byte) { f.Add(b, every) })
	for _, options := range []string{"cluster_size=512", "cluster_size=512,refcount_bits=1", "cluster_size=16K,extended_l2=on", "compat=0.10,cluster_size=512"} {
		image := filepath.Join(f.TempDir(), "image")
		args := []string{"create", "-q", "-f", "qcow2", "-o", options, image, "100K"}
		if _, err := testimg.Run("qemu-img", args...); err != nil {
			f.Skip(err)
		}
		testimg.Run("qemu-io", "-f", "qcow2", "-c", "write -P 1 1k 5k", "-c", "write -c -P 2 32k 16k", image)
		b, err := os.ReadFile(image)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, every)
	}
	f.Fuzz(func(t *testing.T, data, program []byte) {
		if len(data) > 1<<20 || len(program) > 400 {
			return
		}
		d := testdisk.New(data)
		before, checkErr := Check(testdisk.New(data), "image", disk.RepairNothing)
		sound := checkErr == nil && before.Errors == 0
		m, err := New(d, "image", Options{Writable: true})
		if err != nil {
			return
		}
		// A large disk is not read as a whole.
		w := &fuzzed{t: t, m: m, sound: sound && m.Size() <= 1<<20 && !m.h.Dirty, snapshots: map[string][]byte{}}
		w.run(program)
		if err := m.Close(); err != nil || !sound || d.Size() > 32<<20 {
			return
		}
		r, err := Check(d, "image", disk.RepairNothing)
		if err != nil || r.Errors > 0 || r.Leaks > before.Leaks && !w.failed {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// fuzzed is an image to which a program of bytes writes.
type fuzzed struct {
	t         *testing.T
	m         *Image
	sound     bool // it reads as it should
	failed    bool // something was refused
	want      []byte
	snapshots map[string][]byte
}

func (w *fuzzed) run(program []byte) {
	w.begin()
	for ; len(program) >= 3; program = program[3:] {
		size := w.m.Size()
		off := min(int64(program[1])<<10, size)
		n := min(int64(program[2])<<8, size-off)
		if err := w.do(program[0]%10, off, n, string('a'+rune(program[1]%4))); err != nil && !errors.Is(err, disk.ErrNoSnapshot) && !errors.Is(err, fs.ErrExist) {
			w.failed = true
			return
		}
		if !w.sound {
			continue
		}
		if got := readAll(w.t, w.m); !bytes.Equal(got, w.want) {
			w.t.Fatalf("after %d of %d bytes at %d, it differs from %d on", program[0]%10, n, off, differs(got, w.want))
		}
	}
}

// begin reads the disk, if that can be: what is compressed is not part of the tables.
func (w *fuzzed) begin() {
	if !w.sound {
		return
	}
	w.want = make([]byte, w.m.Size())
	if _, err := w.m.ReadAt(w.want, 0); err != nil && err != io.EOF {
		w.sound = false
	}
}

// do does one thing.
func (w *fuzzed) do(what byte, off, n int64, name string) error {
	m := w.m
	b := bytes.Repeat([]byte{what + byte(off>>9)}, int(n))
	switch what {
	default:
		_, err := m.WriteAt(b, off)
		w.now(off, b, err)
		return err
	case 3:
		err := m.WriteZeroes(off, n)
		w.now(off, make([]byte, n), err)
		return err
	case 4:
		err := m.Discard(off, n)
		if _, e := m.ReadAt(b, off); e == nil || w.sound {
			w.now(off, b, err)
		}
		return err
	case 5:
		return m.Flush()
	case 6:
		if n = m.CompressUnit(); n > 16<<10 {
			return nil
		}
		off = off &^ (n - 1)
		if off+n > m.Size() {
			return nil
		}
		b = bytes.Repeat([]byte{0x66}, int(n))
		err := m.WriteCompressed(b, off)
		w.now(off, b, err)
		return err
	case 7:
		_, err := m.CreateSnapshot(disk.Snapshot{Name: name})
		if err == nil {
			w.snapshots[name] = bytes.Clone(w.want)
		}
		return err
	case 8:
		err := m.ApplySnapshot(name)
		if was, ok := w.snapshots[name]; ok && err == nil {
			w.want = bytes.Clone(was)
		} else if err == nil && w.sound {
			w.begin()
		}
		return err
	case 9:
		delete(w.snapshots, name)
		return m.DeleteSnapshot(name)
	}
}

// now notes what a part of the disk has.
func (w *fuzzed) now(off int64, b []byte, err error) {
	if w.sound && err == nil {
		copy(w.want[off:], b)
	}
}
