package hostdir

import (
	"encoding/binary"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A client is one for tests: each call is a message and its answer.
type client struct {
	t    testing.TB
	d    *Dir
	w    *os.File
	r    *os.File
	tag  uint16
	next uint32     // fid
	done chan error // what Serve has returned
}

// rootFid is the fid that start attaches.
const rootFid = 0

// serve serves a directory to a client, which has said nothing yet.
func serve(t testing.TB, dir string, o Options) *client {
	t.Helper()
	d, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	toServer, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r, toClient, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, d: d, w: w, r: r, next: 1, done: make(chan error, 1)}
	go func() {
		err := d.Serve(toServer, toClient)
		toServer.Close()
		toClient.Close()
		c.done <- err
	}()
	t.Cleanup(func() {
		w.Close()
		io.Copy(io.Discard, r)
		<-c.done
		r.Close()
		d.Close()
		if n := opened.Load(); n != 0 {
			t.Errorf("%d files are still open", n)
		}
	})
	return c
}

// start serves a directory to a client that has attached its root.
func start(t testing.TB, dir string, o Options) *client {
	t.Helper()
	c := serve(t, dir, o)
	if size := c.version(MaxMessage, version); size != MaxMessage {
		t.Fatalf("messages of %d bytes", size)
	}
	c.must(c.call(msgAttach, u32(rootFid), u32(noFid), str("root"), str(""), u32(0)))
	return c
}

func (c *client) version(size uint32, name string) uint32 {
	c.t.Helper()
	d := c.must(c.call(msgVersion, u32(size), str(name)))
	return d.u32()
}

type field func(e *encoder)

func u8(v uint8) field   { return func(e *encoder) { e.u8(v) } }
func u16(v uint16) field { return func(e *encoder) { e.u16(v) } }
func u32(v uint32) field { return func(e *encoder) { e.u32(v) } }
func u64(v uint64) field { return func(e *encoder) { e.u64(v) } }
func str(v string) field { return func(e *encoder) { e.str(v) } }
func raw(v []byte) field { return func(e *encoder) { e.b = append(e.b, v...) } }
func names(v ...string) field {
	return func(e *encoder) {
		e.u16(uint16(len(v)))
		for _, s := range v {
			e.str(s)
		}
	}
}

func message(kind uint8, tag uint16, fields ...field) []byte {
	var e encoder
	e.reset()
	for _, f := range fields {
		f(&e)
	}
	return e.finish(kind, tag)
}

// call makes a call. Its error is an errno, or what broke the connection.
func (c *client) call(kind uint8, fields ...field) (*decoder, error) {
	c.tag++
	if _, err := c.w.Write(message(kind, c.tag, fields...)); err != nil {
		return nil, err
	}
	got, tag, d, err := c.answer()
	switch {
	case err != nil:
		return nil, err
	case tag != c.tag:
		c.t.Errorf("an answer to %d, not to %d", tag, c.tag)
	case got == msgLerror:
		return nil, unix.Errno(d.u32())
	case got != kind+1:
		c.t.Errorf("answer %d to %d", got, kind)
	}
	return d, nil
}

// answer reads the next answer.
func (c *client) answer() (kind uint8, tag uint16, d *decoder, err error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[:])-headerSize)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return 0, 0, nil, err
	}
	return head[4], binary.LittleEndian.Uint16(head[5:]), &decoder{b: body}, nil
}

func (c *client) must(d *decoder, err error) *decoder {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

// fails checks the error of a call.
func (c *client) fails(want unix.Errno, kind uint8, fields ...field) {
	c.t.Helper()
	if _, err := c.call(kind, fields...); err != want {
		c.t.Errorf("message %d: %v, want %v", kind, err, want)
	}
}

// walk returns a new fid of a path, from the root.
func (c *client) walk(path ...string) uint32 {
	c.t.Helper()
	fid, err := c.tryWalk(rootFid, path...)
	if err != nil {
		c.t.Fatalf("%q: %v", path, err)
	}
	return fid
}

// tryWalk returns a new fid, walked as the kernel does, and ENOENT if only a part was found.
func (c *client) tryWalk(from uint32, path ...string) (uint32, error) {
	fid := c.next
	c.next++
	for first := true; first || len(path) > 0; first = false {
		n := min(len(path), maxWalk)
		d, err := c.call(msgWalk, u32(from), u32(fid), names(path[:n]...))
		if err != nil {
			return 0, err
		}
		if int(d.u16()) != n {
			return 0, unix.ENOENT
		}
		from, path = fid, path[n:]
	}
	return fid, nil
}

func (c *client) clunk(fid uint32) error {
	_, err := c.call(msgClunk, u32(fid))
	return err
}

// open walks to a file and opens it.
func (c *client) open(flags uint32, path ...string) uint32 {
	c.t.Helper()
	fid := c.walk(path...)
	c.must(c.call(msgLopen, u32(fid), u32(flags)))
	return fid
}

func (c *client) read(fid uint32, off uint64, n uint32) ([]byte, error) {
	d, err := c.call(msgRead, u32(fid), u64(off), u32(n))
	if err != nil {
		return nil, err
	}
	return d.bytes(int(d.u32())), nil
}

func (c *client) write(fid uint32, off uint64, p string) (int, error) {
	d, err := c.call(msgWrite, u32(fid), u64(off), u32(uint32(len(p))), raw([]byte(p)))
	if err != nil {
		return 0, err
	}
	return int(d.u32()), nil
}

// attributes are those of getattr that tests look at.
type attributes struct {
	q            qid
	mode, uid    uint32
	gid          uint32
	nlink, rdev  uint64
	size, blocks uint64
	mtime        unix.Timespec
}

func (c *client) stat(fid uint32) (a attributes, err error) {
	d, err := c.call(msgGetattr, u32(fid), u64(attrBasic))
	if err != nil {
		return a, err
	}
	d.u64()
	a.q = readQid(d)
	a.mode, a.uid, a.gid = d.u32(), d.u32(), d.u32()
	a.nlink, a.rdev, a.size = d.u64(), d.u64(), d.u64()
	d.u64()
	a.blocks = d.u64()
	d.bytes(16)
	a.mtime = unix.Timespec{Sec: int64(d.u64()), Nsec: int64(d.u64())}
	return a, nil
}

func readQid(d *decoder) qid { return qid{d.u8(), d.u32(), d.u64()} }

// list returns the entries of an open directory, read in pieces of n bytes.
func (c *client) list(fid uint32, n uint32) map[string]qid {
	c.t.Helper()
	all := map[string]qid{}
	for off := uint64(0); ; {
		d := c.must(c.call(msgReaddir, u32(fid), u64(off), u32(n)))
		if d.u32() == 0 {
			return all
		}
		for len(d.b) > 0 {
			q := readQid(d)
			off = d.u64()
			d.u8()
			name := d.str()
			if _, twice := all[name]; twice || d.bad {
				c.t.Fatalf("entry %q twice, or cut off", name)
			}
			all[name] = q
		}
	}
}
