package qcow2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// recorder is a disk in memory that remembers what is done to it.
type recorder struct {
	b   []byte
	log []record
}

// record is a write, or a flush if it has no data.
type record struct {
	off  int64
	data []byte
}

func (r *recorder) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(r.b).ReadAt(p, off)
}

func (r *recorder) WriteAt(p []byte, off int64) (int, error) {
	r.log = append(r.log, record{off, bytes.Clone(p)})
	r.b = apply(r.b, p, off)
	return len(p), nil
}

func (r *recorder) Size() int64    { return int64(len(r.b)) }
func (r *recorder) Flush() error   { r.log = append(r.log, record{}); return nil }
func (r *recorder) Close() error   { return nil }
func (r *recorder) Writable() bool { return true }

func (r *recorder) Discard(off, n int64) error {
	_, err := r.WriteAt(make([]byte, n), off)
	return err
}

// apply writes to a disk that grows.
func apply(b, p []byte, off int64) []byte {
	if more := off + int64(len(p)) - int64(len(b)); more > 0 {
		b = append(b, make([]byte, more)...)
	}
	copy(b[off:], p)
	return b
}

// Wherever the power is cut, with any of the sectors written since the last flush lost, the
// image has no errors and everything that was flushed.
func TestPowerCut(t *testing.T) {
	testimg.Need(t, "qemu-img", "qemu-io")
	seed := testimg.Seed(t)
	kinds := []string{"", "cluster_size=512", "extended_l2=on,cluster_size=16K", "cluster_size=4K,refcount_bits=8", "cluster_size=512,refcount_bits=64", "compat=0.10"}
	for i := range testimg.Count(t, len(kinds)) {
		options := kinds[i%len(kinds)]
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), uint64(i)+1000))
			image := filepath.Join(t.TempDir(), "image")
			const size = 200 << 10
			create(t, image, options, size)
			testimg.MustRun(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 10k 90k", "-c", "write -c -P 2 128k 64k", image)
			testimg.MustRun(t, "qemu-img", "snapshot", "-c", "s", image)
			testimg.MustRun(t, "qemu-io", "-f", "qcow2", "-c", "write -P 3 30k 20k", image)
			before, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			c := &cut{rand: random, rec: &recorder{b: bytes.Clone(before)}}
			c.run(t)
			c.replay(t, before, image)
		})
	}
}

// cut is a program the power of which is cut.
type cut struct {
	rand *rand.Rand
	rec  *recorder
	// states are what the disk had, at first and after each operation; ops say where in the
	// log the operation began, and flushed where the flush of all before it had ended.
	states  [][]byte
	began   []int
	flushed []flushedAt
	// snapshots are what each had that there ever was, by their names.
	snapshots map[string][]byte
}

type flushedAt struct{ log, state int }

func (c *cut) run(t *testing.T) {
	m, err := New(c.rec, "image", Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	state := readAll(t, m)
	c.states, c.began = [][]byte{bytes.Clone(state)}, []int{0}
	c.flushed = []flushedAt{{0, 0}}
	old, err := New(c.rec, "image", Options{Snapshot: "s"})
	if err != nil {
		t.Fatal(err)
	}
	c.snapshots = map[string][]byte{"s": readAll(t, old)}
	for range 60 {
		n := 512 * (1 + c.rand.IntN(64))
		off := c.rand.IntN((len(state)-n)/512+1) * 512
		if c.rand.IntN(3) == 0 {
			off = off / m.h.ClusterSize * m.h.ClusterSize
			n = min(n+m.h.ClusterSize, len(state)-off)
		}
		began := len(c.rec.log)
		switch c.rand.IntN(9) {
		case 8:
			if state, err = c.snapshot(m, state); err == nil {
				// All that was written before it is stable.
				c.states, c.began = append(c.states, bytes.Clone(state)), append(c.began, began)
				c.flushed = append(c.flushed, flushedAt{len(c.rec.log), len(c.states) - 1})
				continue
			}
		case 0:
			err = m.WriteZeroes(int64(off), int64(n))
			clear(state[off : off+n])
		case 1:
			err = m.Discard(int64(off), int64(n))
			if err == nil {
				_, err = m.ReadAt(state[off:off+n], int64(off))
			}
		case 2, 3:
			if err = m.Flush(); err == nil {
				c.flushed = append(c.flushed, flushedAt{len(c.rec.log), len(c.states) - 1})
			}
		case 4:
			off = off / m.h.ClusterSize * m.h.ClusterSize
			n = min(m.h.ClusterSize, len(state)-off)
			b := bytes.Repeat([]byte{byte(c.rand.IntN(256))}, n)
			err = m.WriteCompressed(b, int64(off))
			copy(state[off:], b)
		default:
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(c.rand.Uint32())
			}
			_, err = m.WriteAt(b, int64(off))
			copy(state[off:], b)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.states, c.began = append(c.states, bytes.Clone(state)), append(c.began, began)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	c.flushed = append(c.flushed, flushedAt{len(c.rec.log), len(c.states) - 1})
}

// snapshot creates, applies or deletes a snapshot, and returns what the disk is then.
func (c *cut) snapshot(m *Image, state []byte) ([]byte, error) {
	list, err := m.Snapshots()
	if err != nil {
		return state, err
	}
	if len(list) == 0 || len(list) < 4 && c.rand.IntN(2) == 0 {
		name := fmt.Sprint(len(c.snapshots))
		c.snapshots[name] = bytes.Clone(state)
		_, err := m.CreateSnapshot(disk.Snapshot{Name: name})
		return state, err
	}
	name := list[c.rand.IntN(len(list))].Name
	if c.rand.IntN(2) == 0 {
		return bytes.Clone(c.snapshots[name]), m.ApplySnapshot(name)
	}
	return state, m.DeleteSnapshot(name)
}

// replay cuts the power in all places where something had been flushed, and some after it.
func (c *cut) replay(t *testing.T, before []byte, image string) {
	stable := bytes.Clone(before)
	for i := 0; i <= len(c.rec.log); {
		end := i
		for end < len(c.rec.log) && c.rec.log[end].data != nil {
			end++
		}
		for try := range 4 {
			at := i
			if try > 0 {
				at += c.rand.IntN(end - i + 1)
			}
			b := bytes.Clone(stable)
			for _, w := range c.rec.log[i:at] {
				for s := 0; s < len(w.data); s += 512 {
					if c.rand.IntN(2) == 0 {
						b = apply(b, w.data[s:min(s+512, len(w.data))], w.off+int64(s))
					}
				}
			}
			c.check(t, b, at, image, try == 1 && c.rand.IntN(10) == 0)
			if t.Failed() {
				t.Fatalf("the power was cut after %d of %d writes, flushed up to %d", at, len(c.rec.log), i)
			}
		}
		for _, w := range c.rec.log[i:end] {
			stable = apply(stable, w.data, w.off)
		}
		i = end + 1
	}
}

// check looks at an image that was cut off at a place in the log.
func (c *cut) check(t *testing.T, b []byte, at int, image string, qemu bool) {
	t.Helper()
	r, err := Check(&recorder{b: bytes.Clone(b)}, "image", disk.RepairNothing)
	if err != nil || r.Errors != 0 {
		t.Errorf("%+v, %v", r, err)
		return
	}
	if qemu {
		if err := os.WriteFile(image, b, 0o600); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "qemu-img", "check", "-q", "-r", "leaks", "-f", "qcow2", image)
	}
	m, err := New(&recorder{b: b}, "image", Options{})
	if err != nil {
		t.Error(err)
		return
	}
	defer m.Close()
	list, err := m.Snapshots()
	if err != nil {
		t.Error(err)
	}
	for _, s := range list {
		old, err := New(&recorder{b: b}, "image", Options{Snapshot: s.Name})
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(readAll(t, old), c.snapshots[s.Name]) {
			t.Errorf("snapshot %s differs", s.Name)
		}
	}
	got := readAll(t, m)
	var base flushedAt
	for _, f := range c.flushed {
		if f.log <= at {
			base = f
		}
	}
	for s := 0; s < len(got); s += 512 {
		ok := false
		for n := base.state; n < len(c.states) && (n == base.state || c.began[n] <= at) && !ok; n++ {
			ok = bytes.Equal(got[s:s+512], c.states[n][s:s+512])
		}
		if !ok && slices.Max(got[s:s+512]) != 0 {
			t.Errorf("the sector at %d has what was never written, or not what was flushed", s)
			return
		}
		if !ok && !c.zeroed(s, base.state) {
			t.Errorf("the sector at %d has zeros, which it never had", s)
			return
		}
	}
}

// zeroed reports whether a sector was all zeros in a state or after it.
func (c *cut) zeroed(s, state int) bool {
	return slices.ContainsFunc(c.states[state:], func(b []byte) bool { return slices.Max(b[s:s+512]) == 0 })
}
