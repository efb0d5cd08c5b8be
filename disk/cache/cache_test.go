package cache

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

// slow is a device that counts what it is asked for, and can be made to wait or fail.
type slow struct {
	mu    sync.Mutex
	b     []byte
	reads [][2]int64 // guarded by mu: offsets and lengths
	bad   int64      // reading this byte fails, if it is not 0
	gate  chan struct{}
}

func (s *slow) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	s.reads = append(s.reads, [2]int64{off, int64(len(p))})
	gate := s.gate
	n := copy(p, s.b[off:])
	bad := s.bad
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if bad > 0 && off <= bad && bad < off+int64(n) {
		return int(bad - off), errors.New("a bad sector")
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *slow) WriteAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copy(s.b[off:], p), nil
}

func (s *slow) Size() int64  { return int64(len(s.b)) }
func (s *slow) Flush() error { return nil }
func (s *slow) Close() error { return nil }

func (s *slow) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.reads)
}

func content(size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func open(t *testing.T, d disk.Device, o Options) *Device {
	t.Helper()
	c, err := New(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Whatever is read and written, in any order and by any number, is what the device has.
func TestRandom(t *testing.T) {
	for name, o := range map[string]Options{
		"memory": {Block: 4096}, "little memory": {Block: 4096, Memory: 20000}, "large blocks": {Block: 512 << 10},
		"files": {Block: 4096, Dir: t.TempDir(), Address: "a", Identity: "i"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &slow{b: content(1<<20 + 333)}
			c := open(t, s, o)
			want := bytes.Clone(s.b)
			var wait sync.WaitGroup
			// Each has a part of its own, so that what is right is known.
			part := int64(len(want)) / 4
			for i := range int64(4) {
				wait.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 3))
					for range 500 {
						off := i*part + r.Int64N(part)
						n := min(r.Int64N(1<<(3+r.IntN(15))), (i+1)*part-off)
						mine := want[off : off+n]
						switch r.IntN(4) {
						case 0:
							for j := range mine {
								mine[j] = byte(r.Uint32())
							}
							c.WriteAt(mine, off)
						case 1:
							clear(mine)
							if err := c.WriteZeroes(off, n); err != nil {
								t.Error(err)
							}
						default:
							p := make([]byte, n)
							if got, err := c.ReadAt(p, off); err != nil || int64(got) != n || !bytes.Equal(p, mine) {
								t.Errorf("%d at %d: other bytes, %v", n, off, err)
								return
							}
						}
					}
				})
			}
			wait.Wait()
			got := make([]byte, len(want)+10)
			if n, err := c.ReadAt(got, 0); n != len(want) || err != io.EOF || !bytes.Equal(got[:n], want) {
				t.Errorf("%d bytes, %v", n, err)
			}
			if m, ok := c.store.(*memory); ok && m.order.Len() > m.most {
				t.Errorf("%d blocks in memory", m.order.Len())
			}
		})
	}
}

// Several readers of a block are one request, also if they want different parts of it.
func TestSingleFlight(t *testing.T) {
	s := &slow{b: content(1 << 20), gate: make(chan struct{})}
	c := open(t, s, Options{})
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			p := make([]byte, 100)
			if _, err := c.ReadAt(p, int64(200000+i)); err != nil || !bytes.Equal(p, s.b[200000+i:][:100]) {
				t.Error(err)
			}
		})
	}
	for s.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(s.gate)
	wait.Wait()
	if s.count() != 2 && s.count() != 1 {
		t.Errorf("requests: %v", s.reads)
	}
}

// Reading on gets ever more at a time, and reading here and there does not.
func TestAhead(t *testing.T) {
	s := &slow{b: content(32 << 20)}
	c := open(t, s, Options{})
	p := make([]byte, 4096)
	for off := int64(0); off < 32<<20; off += 4096 {
		if _, err := c.ReadAt(p, off); err != nil || !bytes.Equal(p, s.b[off:][:4096]) {
			t.Fatal(err)
		}
	}
	if n := s.count(); n > 24 {
		t.Errorf("%d requests for 32 MiB in order", n)
	}
	s.reads = nil
	c = open(t, s, Options{})
	r := rand.New(rand.NewPCG(4, 4))
	for range 100 {
		c.ReadAt(p, r.Int64N(8000)*4096)
	}
	sum := int64(0)
	for _, q := range s.reads {
		sum += q[1]
	}
	if sum > 160*DefaultBlock {
		t.Errorf("%d bytes for 100 blocks", sum)
	}
}

// What cannot be read is an error for those who want it, and not for those who read before it.
func TestBad(t *testing.T) {
	s := &slow{b: content(4 << 20), bad: 3 << 20}
	c := open(t, s, Options{})
	p := make([]byte, 4096)
	for off := int64(0); off < 4<<20; off += 4096 {
		_, err := c.ReadAt(p, off)
		if bad := off <= s.bad && s.bad < off+4096; bad != (err != nil) {
			t.Fatalf("at %d: %v", off, err)
		}
		if err == nil && !bytes.Equal(p, s.b[off:][:4096]) {
			t.Fatalf("at %d: other bytes", off)
		}
	}
}

// What is being fetched while it is written is not kept.
func TestStale(t *testing.T) {
	s := &slow{b: content(1 << 20), gate: make(chan struct{})}
	c := open(t, s, Options{})
	done := make(chan error)
	go func() {
		_, err := c.ReadAt(make([]byte, 100), 0)
		done <- err
	}()
	for s.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	c.WriteAt([]byte("new"), 0)
	close(s.gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.gate = nil
	s.mu.Unlock()
	p := make([]byte, 3)
	if _, err := c.ReadAt(p, 0); err != nil || string(p) != "new" {
		t.Errorf("%q, %v", p, err)
	}
}

// A later run has what an earlier one has fetched, unless it is another version or damaged.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	b := content(1<<20 + 100)
	run := func(identity string, b []byte) int {
		t.Helper()
		s := &slow{b: b}
		c, err := New(s, Options{Dir: dir, Address: "https://host/x", Identity: identity})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(b))
		if _, err := c.ReadAt(got, 0); err != nil || !bytes.Equal(got, b) {
			t.Errorf("other bytes, %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		return s.count()
	}
	if n := run("1", b); n == 0 {
		t.Error("nothing was fetched")
	}
	if n := run("1", b); n != 0 {
		t.Errorf("%d requests again", n)
	}
	if n := run("2", content(2<<20)); n == 0 {
		t.Error("another version was not fetched")
	}
	if n := run("2", content(2<<20)); n != 0 {
		t.Errorf("%d requests again", n)
	}
	// What is damaged is fetched again: a block, a record, and all.
	blocks, _ := filepath.Glob(dir + "/*.blocks")
	table, _ := filepath.Glob(dir + "/*.map")
	if len(blocks) != 1 || len(table) != 1 {
		t.Fatalf("%q, %q", blocks, table)
	}
	damage := func(path string, off int64) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte("damage"), off); err != nil {
			t.Fatal(err)
		}
	}
	damage(blocks[0], 200000)
	if n := run("2", content(2<<20)); n != 1 {
		t.Errorf("%d requests for a damaged block", n)
	}
	damage(table[0], headerSize+20)
	if n := run("2", content(2<<20)); n == 0 {
		t.Error("a damaged record")
	}
	damage(table[0], 3)
	if n := run("2", content(2<<20)); n == 0 {
		t.Error("a damaged header")
	}
	if err := os.Truncate(blocks[0], 100); err != nil {
		t.Fatal(err)
	}
	if n := run("2", content(2<<20)); n == 0 {
		t.Error("a file that was cut off")
	}
	if err := os.Truncate(table[0], 100); err != nil {
		t.Fatal(err)
	}
	run("2", content(2<<20))
}

// Two that use the same files at a time do not disturb each other, not even by versions.
func TestShared(t *testing.T) {
	dir := t.TempDir()
	b := content(4 << 20)
	var wait sync.WaitGroup
	for i := range 6 {
		wait.Go(func() {
			version := string(rune('a' + i%2))
			mine := bytes.Clone(b)
			copy(mine[100000:], version)
			c, err := New(&slow{b: mine}, Options{Dir: dir, Address: "x", Identity: version})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			r := rand.New(rand.NewPCG(uint64(i), 5))
			for range 200 {
				off := r.Int64N(3 << 20)
				p := make([]byte, r.IntN(200000))
				if _, err := c.ReadAt(p, off); err != nil || !bytes.Equal(p, mine[off:][:len(p)]) {
					t.Errorf("%d at %d: %v", len(p), off, err)
				}
			}
		})
	}
	wait.Wait()
}

func TestNoIdentity(t *testing.T) {
	dir := t.TempDir()
	open(t, &slow{b: content(1000)}, Options{Dir: dir + "/x", Address: "a"})
	if _, err := os.Stat(dir + "/x"); err == nil {
		t.Error("files for what cannot be told apart")
	}
	if _, err := New(&slow{b: content(1000)}, Options{Dir: "/dev/null/x", Address: "a", Identity: "b"}); err == nil {
		t.Error("a folder that cannot be made")
	}
}

// Files take no more than they may: what was not used for the longest time makes room.
func TestDirSize(t *testing.T) {
	dir := t.TempDir()
	write := filepath.Join(dir, "other.blocks")
	if err := os.WriteFile(write, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, size int) (requests int) {
		t.Helper()
		s := &slow{b: content(size)}
		c, err := New(s, Options{Dir: dir, DirSize: 3 << 20, Address: name, Identity: "1"})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if _, err := c.ReadAt(got, 0); err != nil || !bytes.Equal(got, s.b) {
			t.Errorf("other bytes, %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Millisecond) // which some file systems need to tell times apart
		return s.count()
	}
	for i, c := range []struct {
		name string
		size int
		kept bool
	}{
		{"a", 1 << 20, false}, {"b", 1 << 20, false}, {"a", 1 << 20, true}, {"c", 1 << 20, false}, // b goes
		{"a", 1 << 20, true}, {"c", 1 << 20, true}, {"b", 1 << 20, false},
		{"large", 8 << 20, false}, {"large", 8 << 20, false}, {"b", 1 << 20, false},
	} {
		if n := run(c.name, c.size); (n == 0) != c.kept {
			t.Errorf("%d: %d requests for %s", i, n, c.name)
		}
		sum := int64(0)
		for _, k := range (&bound{dir: dir}).list() {
			sum += k.size
		}
		if sum > 3<<20 {
			t.Errorf("%d: %d bytes", i, sum)
		}
	}
	if _, err := os.Stat(write); err != nil {
		t.Error("a file of somebody else")
	}
}

// growing is a device that can be written to beyond its end.
type growing struct{ slow }

func (g *growing) Size() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(len(g.b))
}

func (g *growing) ReadAt(p []byte, off int64) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if off > int64(len(g.b)) {
		return 0, io.EOF
	}
	n := copy(p, g.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (g *growing) WriteAt(p []byte, off int64) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if more := off + int64(len(p)) - int64(len(g.b)); more > 0 {
		g.b = append(g.b, make([]byte, more)...)
	}
	return copy(g.b[off:], p), nil
}

func (g *growing) Resize(size int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if size <= int64(len(g.b)) {
		g.b = g.b[:size]
	} else {
		g.b = append(g.b, make([]byte, size-int64(len(g.b)))...)
	}
	return nil
}

// A device that gets larger or smaller is read as it is.
func TestGrow(t *testing.T) {
	g := &growing{slow{b: content(100000)}}
	c := open(t, g, Options{Block: 4096})
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		size := c.Size()
		switch off := r.Int64N(size); r.IntN(6) {
		case 0:
			if err := c.Resize(1 + r.Int64N(200000)); err != nil {
				t.Fatal(err)
			}
		case 1:
			if _, err := c.WriteAt(content(1+r.IntN(9000)), off+r.Int64N(9000)); err != nil {
				t.Fatal(err)
			}
		default:
			p := make([]byte, 1+r.IntN(30000))
			n, err := c.ReadAt(p, off)
			want := g.b[off:min(off+int64(len(p)), size)]
			if !bytes.Equal(p[:n], want) || (err == io.EOF) != (n < len(p)) {
				t.Fatalf("%d of %d bytes at %d of %d: %v", n, len(p), off, size, err)
			}
		}
	}
}

// What is fetched before somebody reads it is one request for what is missing side by side, and
// no reason to fetch more.
func TestPrefetch(t *testing.T) {
	s := &slow{b: content(1<<20 + 100)}
	c := open(t, s, Options{Block: 4096})
	for _, r := range [][2]int64{{8192, 10000}, {0, 30000}, {1 << 20, 1 << 40}, {-1, 5}, {5, 0}, {2 << 20, 5}} {
		c.Prefetch(r[0], r[1])
	}
	p := make([]byte, 30000)
	for range 2 {
		if _, err := c.ReadAt(p, 0); err != nil || !bytes.Equal(p, s.b[:30000]) {
			t.Fatal(err)
		}
	}
	if _, err := c.ReadAt(p[:100], 1<<20); err != nil || !bytes.Equal(p[:100], s.b[1<<20:]) {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.reads, func(a, b [2]int64) int { return int(a[0] - b[0]) })
	want := [][2]int64{{0, 8192}, {8192, 12288}, {20480, 12288}, {1 << 20, 100}}
	if !slices.Equal(s.reads, want) {
		t.Errorf("requests %v, want %v", s.reads, want)
	}
}
