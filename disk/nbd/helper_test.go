package nbd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

// memory is a disk in memory, with pages that were never written or that were forgotten.
type memory struct {
	mu      sync.Mutex
	b       []byte
	data    []bool // of each page
	flushed []byte // as it was at the last flush, if that is of interest
	flushes int
	fail    error // of everything
	dying   bool  // nothing more becomes stable
}

const page = 4096

func newMemory(size int) *memory {
	return &memory{b: make([]byte, size), data: make([]bool, (size+page-1)/page)}
}

// content returns a copy of all, for those that serve it to others.
func (m *memory) content() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.b)
}

func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.b)
}

func (m *memory) flushCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.flushes
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) change(off, n int64, data bool, do func(p []byte)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	do(m.b[off : off+n])
	for at := off; at < off+n; at++ {
		if data {
			m.data[at/page] = true
		} else if at%page == 0 && (at+page <= off+n) {
			m.data[at/page] = false
		}
	}
	return nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	return len(p), m.change(off, int64(len(p)), true, func(b []byte) { copy(b, p) })
}

func (m *memory) Discard(off, n int64) error {
	return m.change(off, n, false, func(b []byte) { clear(b) })
}

func (m *memory) WriteZeroes(off, n int64) error {
	return m.change(off, n, false, func(b []byte) { clear(b) })
}

func (m *memory) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		m.mu.Lock()
		data := append([]bool(nil), m.data...)
		m.mu.Unlock()
		for end := min(off+n, m.Size()); off < end; {
			e := disk.Extent{Start: off, Size: min(page-off%page, end-off), Kind: disk.Hole}
			if data[off/page] {
				e.Kind = disk.Data
			}
			if !yield(e, nil) {
				return
			}
			off += e.Size
		}
	}
}

func (m *memory) Size() int64 { return int64(len(m.b)) }

func (m *memory) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dying {
		return nil
	}
	m.flushes++
	m.flushed = append(m.flushed[:0], m.b...)
	return m.fail
}

func (m *memory) Close() error { return nil }

// die has nothing become stable any more, until crash loses what was not flushed.
func (m *memory) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dying = true
}

func (m *memory) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dying = false
	clear(m.b)
	copy(m.b, m.flushed)
}

// fill writes random bytes.
func (m *memory) fill(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range m.b {
		m.b[i] = byte(r.Uint32())
	}
	for i := range m.data {
		m.data[i] = true
	}
}

// serve has a server run on a socket until the test ends, and returns where.
func serve(t testing.TB, s *Server) *Address {
	t.Helper()
	path := filepath.Join(socketDir(t), "nbd")
	serveAt(t, s, path)
	return &Address{Network: "unix", Host: path}
}

// serveAt returns what ends the server.
func serveAt(t testing.TB, s *Server, path string) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Log == nil {
		s.Log = func(client string, err error) { t.Logf("client %s: %v", client, err) }
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	over := errors.New("the test is over")
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel(over)
		if err := <-done; !errors.Is(err, over) {
			t.Errorf("the server has ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// socketDir is a folder whose name is short enough for a socket.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nbd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// open opens an export for the time of the test.
func open(t testing.TB, a *Address, o Options) *Device {
	t.Helper()
	d, err := Dial(context.Background(), a, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// tool returns a tool of the host, or skips the test.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s", name)
	}
	return path
}

// run runs a tool, and returns what it says.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// start starts a server of the host's that listens on a socket, for the time of the test.
func start(t testing.TB, socket, name string, args ...string) {
	t.Helper()
	c := exec.Command(tool(t, name), args...)
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s has ended: %v\n%s", name, err, &said)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
