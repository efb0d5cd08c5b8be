package lkl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A ramDisk is a BlockDevice in memory, with trouble to order.
type ramDisk struct {
	mu     *sync.Mutex
	data   []byte
	err    error
	flush  *atomic.Int32
	gate   chan struct{}
	active *atomic.Int32
}

func newRAMDisk(n int) ramDisk {
	return ramDisk{mu: new(sync.Mutex), data: make([]byte, n), flush: new(atomic.Int32), active: new(atomic.Int32)}
}

func (r ramDisk) enter() error {
	if r.active != nil {
		r.active.Add(1)
		defer r.active.Add(-1)
	}
	if r.gate != nil {
		<-r.gate
	}
	return r.err
}

func (r ramDisk) ReadAt(p []byte, off int64) (int, error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := copy(p, r.data[min(off, int64(len(r.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r ramDisk) WriteAt(p []byte, off int64) (int, error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return copy(r.data[off:], p), nil
}

func (r ramDisk) Size() int64  { return int64(len(r.data)) }
func (r ramDisk) Flush() error { r.flush.Add(1); return r.err }

type richDisk struct{ ramDisk }

func (r richDisk) Discard(off, n int64) error     { clear(r.data[off : off+n]); return r.err }
func (r richDisk) WriteZeroes(off, n int64) error { clear(r.data[off : off+n]); return r.err }

func block(k *Kernel, op int, off, n int, b *Buffer) error {
	var buf uint64
	if b != nil {
		buf = b.off
	}
	_, err := k.call(fakeBlock, 0, uint64(op), uint64(off), uint64(n), buf)
	return err
}

func TestBlockServer(t *testing.T) {
	k := bootFake(t, nil)
	d := richDisk{newRAMDisk(1 << 20)}
	for i := range d.data {
		d.data[i] = byte(i % 251)
	}
	name, err := k.AttachDisk(Disk{Device: d})
	if name != "sda" || err != nil {
		t.Fatalf("attach: %q %v", name, err)
	}
	b, err := k.Alloc(64 << 10)
	must(t, "alloc", err)
	defer b.Free()
	must(t, "read", block(k, blockRead, 4096, 64<<10, b))
	if !bytes.Equal(b.Bytes(), d.data[4096:][:64<<10]) {
		t.Error("wrong bytes read")
	}
	copy(b.Bytes(), "written")
	must(t, "write", block(k, blockWrite, 8192, 512, b))
	if string(d.data[8192:][:7]) != "written" {
		t.Error("wrong bytes written")
	}
	must(t, "flush", block(k, blockFlush, 0, 0, nil))
	if d.flush.Load() != 1 {
		t.Errorf("%d flushes", d.flush.Load())
	}
	must(t, "discard", block(k, blockDiscard, 8192, 512, nil))
	must(t, "zeroes", block(k, blockZeroes, 4096, 512, nil))
	if d.data[8192] != 0 || d.data[4099] != 0 {
		t.Error("not zeroed")
	}
	for _, tt := range []struct {
		op, off, n int
		buf        uint64
		want       error
	}{
		{blockRead, 1 << 20, 512, b.off, unix.EIO},
		{blockRead, 1<<20 - 512, 1024, b.off, unix.EIO},
		{blockRead, -512, 1024, b.off, unix.EIO},
		{blockRead, 0, -1, b.off, unix.EIO},
		{blockRead, 0, 512, 0, unix.EFAULT},
		{blockRead, 0, 512, windowSize - 511, unix.EFAULT},
		{blockRead, 0, 512, 1 << 63, unix.EFAULT},
		{blockWrite, 0, 512, windowSize, unix.EFAULT},
		{99, 0, 512, b.off, unix.EOPNOTSUPP},
	} {
		_, err := k.call(fakeBlock, 0, uint64(tt.op), uint64(tt.off), uint64(tt.n), tt.buf)
		if err != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for _, disk := range []uint64{1, maxDisks, 1 << 31} {
		if _, err := k.call(fakeBlock, disk, blockRead, 0, 512, b.off); err != unix.ENODEV {
			t.Errorf("disk %d: %v", disk, err)
		}
	}
	// Many at once, more than there are tags.
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			if err := block(k, blockRead, 0, 4096, b); err != nil {
				t.Errorf("read: %v", err)
			}
		})
	}
	wg.Wait()
	if err := k.DetachDisk("sdb"); err != unix.ENODEV {
		t.Errorf("detach of nothing: %v", err)
	}
	must(t, "detach", k.DetachDisk(name))
	if err := block(k, blockRead, 0, 512, b); err != unix.ENODEV {
		t.Errorf("read after detach: %v", err)
	}
}

func TestBlockErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want unix.Errno
	}{
		{unix.ENOSPC, unix.ENOSPC},
		{&os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}, unix.ENOSPC},
		{fmt.Errorf("deep: %w", unix.ETIMEDOUT), unix.ETIMEDOUT},
		{errors.New("something"), unix.EIO},
		{errors.ErrUnsupported, unix.EOPNOTSUPP},
		{unix.Errno(0), unix.EIO},
		{io.ErrUnexpectedEOF, unix.EIO},
	} {
		k := bootFake(t, nil)
		d := newRAMDisk(1 << 16)
		d.err = tt.err
		_, err := k.AttachDisk(Disk{Device: d})
		must(t, "attach", err)
		b, _ := k.Alloc(4096)
		for _, op := range []int{blockRead, blockWrite, blockFlush} {
			if err := block(k, op, 0, 4096, b); err != tt.want {
				t.Errorf("%v: %v, want %v", tt.err, err, tt.want)
			}
		}
		b.Free()
		k.Kill()
	}
}

// A device that is shorter than it says reads as zeros, and a read-only one is
// not written whatever the kernel wants.
func TestShortAndReadOnly(t *testing.T) {
	k := bootFake(t, nil)
	d := short{newRAMDisk(1000)}
	_, err := k.AttachDisk(Disk{Device: d, ReadOnly: true})
	must(t, "attach", err)
	b, err := k.Alloc(4096)
	must(t, "alloc", err)
	defer b.Free()
	d.data[999] = 9
	b.Bytes()[1000], b.Bytes()[4095] = 1, 1
	must(t, "read", block(k, blockRead, 0, 4096, b))
	if p := b.Bytes(); p[999] != 9 || p[1000] != 0 || p[4095] != 0 {
		t.Error("not filled with zeros")
	}
	for _, op := range []int{blockWrite, blockDiscard, blockZeroes} {
		if err := block(k, op, 0, 512, b); err != unix.EPERM {
			t.Errorf("op %d: %v", op, err)
		}
	}
	must(t, "flush", block(k, blockFlush, 0, 0, nil))
	if d.flush.Load() != 0 {
		t.Error("flushed")
	}
}

type short struct{ ramDisk }

func (short) Size() int64 { return 8192 }

// Kill and Close return only when the device is not in use any more.
func TestCloseWaitsForDevice(t *testing.T) {
	k := bootFake(t, nil)
	d := newRAMDisk(1 << 16)
	d.gate = make(chan struct{})
	_, err := k.AttachDisk(Disk{Device: d})
	must(t, "attach", err)
	b, err := k.Alloc(4096)
	must(t, "alloc", err)
	ended := make(chan error)
	go func() { ended <- block(k, blockRead, 0, 4096, b) }()
	for d.active.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	killed := make(chan struct{})
	go func() { k.Kill(); close(killed) }()
	if err := <-ended; err != ErrClosed {
		t.Errorf("call: %v", err)
	}
	b.Free()
	select {
	case <-killed:
		t.Error("Kill returned while the device was in use")
	case <-time.After(50 * time.Millisecond):
	}
	close(d.gate)
	<-killed
	if d.active.Load() != 0 {
		t.Error("still in use")
	}
}

func TestFileDisks(t *testing.T) {
	k := bootFake(t, nil)
	path := t.TempDir() + "/image"
	must(t, "write", os.WriteFile(path, bytes.Repeat([]byte("0123456789abcdef"), 4096), 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, "open", err)
	name, err := k.AttachDisk(Disk{File: f})
	must(t, "attach", err)
	f.Close() // it has been duplicated
	b, err := k.Alloc(4096)
	must(t, "alloc", err)
	defer b.Free()
	must(t, "read", block(k, blockRead, 4096, 4096, b))
	if string(b.Bytes()[:16]) != "0123456789abcdef" {
		t.Errorf("read %q", b.Bytes()[:16])
	}
	copy(b.Bytes(), "new")
	must(t, "write", block(k, blockWrite, 4096, 512, b))
	must(t, "flush", block(k, blockFlush, 0, 0, nil))
	must(t, "discard", block(k, blockDiscard, 8192, 4096, nil))
	must(t, "zeroes", block(k, blockZeroes, 16384, 4096, nil))
	data, _ := os.ReadFile(path)
	if string(data[4096:4099]) != "new" || data[8192] != 0 || data[16384] != 0 || data[12288] != '0' || len(data) != 65536 {
		t.Error("wrong content of the file")
	}
	must(t, "detach", k.DetachDisk(name))

	// Read-only: not even the descriptor can write.
	f, err = os.OpenFile(path, os.O_RDWR, 0)
	must(t, "open", err)
	defer f.Close()
	ov, err := NewOverlay("")
	must(t, "overlay", err)
	defer ov.Close()
	_, err = k.AttachDisk(Disk{File: f, ReadOnly: true, Overlay: ov, SectorSize: 4096})
	must(t, "attach", err)
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", k.Pid()))
	var found int
	for _, fd := range fds {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", k.Pid(), fd.Name())); to == path {
			found++
			info, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", k.Pid(), fd.Name()))
			var pos, flags int
			fmt.Sscanf(string(info), "pos: %d\nflags: %o", &pos, &flags)
			if flags&unix.O_ACCMODE != unix.O_RDONLY {
				t.Errorf("flags %#o", flags)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d descriptors of the image in the process", found)
	}
}

func TestAttachFailures(t *testing.T) {
	k := bootFake(t, nil)
	dir, err := os.Open(t.TempDir())
	must(t, "open", err)
	defer dir.Close()
	null, err := os.Open("/dev/null")
	must(t, "open", err)
	defer null.Close()
	d := newRAMDisk(8192)
	for what, disk := range map[string]Disk{
		"nothing": {}, "both": {File: null, Device: d}, "directory": {File: dir}, "null": {File: null},
		"sector": {Device: d, SectorSize: 1000}, "large sector": {Device: d, SectorSize: 8192},
	} {
		if name, err := k.AttachDisk(disk); err == nil {
			t.Errorf("%s: attached as %s", what, name)
		}
	}
	if _, err := k.AttachDisk(Disk{File: dir}); !errors.Is(err, unix.EISDIR) {
		t.Errorf("directory: %v", err)
	}
	for i := range maxDisks {
		if _, err := k.AttachDisk(Disk{Device: d}); err != nil {
			t.Fatalf("disk %d: %v", i, err)
		}
	}
	if _, err := k.AttachDisk(Disk{Device: d}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("one too many: %v", err)
	}
}

// A descriptor that the kernel has not taken would become the next disk's: it
// must not live on.
func TestDescriptorLeftOver(t *testing.T) {
	k := bootFake(t, nil)
	path := t.TempDir() + "/image"
	f, err := os.Create(path)
	must(t, "create", err)
	defer f.Close()
	must(t, "truncate", f.Truncate(12345*512))
	if _, err := k.AttachDisk(Disk{File: f}); !errors.Is(err, errProtocol) {
		t.Errorf("got %v", err)
	}
}

func TestCow(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		k := bootFake(t, nil)
		d := newRAMDisk(1 << 20)
		for i := range d.data {
			d.data[i] = byte(i % 253)
		}
		before := bytes.Clone(d.data)
		want := bytes.Clone(d.data)
		ov, err := NewOverlay(dir)
		must(t, "overlay", err)
		_, err = k.AttachDisk(Disk{Device: d, ReadOnly: true, Overlay: ov, OverlayLimit: 512 << 10})
		must(t, "attach", err)
		ov.Close()
		b, err := k.Alloc(64 << 10)
		must(t, "alloc", err)
		defer b.Free()
		for i := range 60 {
			off, n := i*7*512, (i%9+1)*512
			for j := range n {
				b.Bytes()[j] = byte(i + j)
			}
			copy(want[off:], b.Bytes()[:n])
			must(t, "write", block(k, blockWrite, off, n, b))
		}
		must(t, "flush", block(k, blockFlush, 0, 0, nil))
		for off := 0; off < 1<<20; off += 64 << 10 {
			must(t, "read", block(k, blockRead, off, 64<<10, b))
			if !bytes.Equal(b.Bytes(), want[off:off+64<<10]) {
				t.Errorf("wrong bytes at %d", off)
			}
		}
		if !bytes.Equal(d.data, before) {
			t.Error("the base has changed")
		}
		err = nil
		for off := 512 << 10; off < 1<<20 && err == nil; off += 64 << 10 {
			err = block(k, blockWrite, off, 64<<10, b)
		}
		if err != unix.ENOSPC {
			t.Errorf("beyond the limit: %v", err)
		}
	}
}
