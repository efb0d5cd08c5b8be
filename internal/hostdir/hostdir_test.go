package hostdir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// compare finds the tree of a directory of the host as the client sees it: names, types,
// attributes, contents and links.
func compare(t *testing.T, c *client, fid uint32, dir string) (files int) {
	t.Helper()
	open, err := c.tryWalk(fid)
	if err != nil {
		t.Fatal(err)
	}
	c.must(c.call(msgLopen, u32(open), u32(openDir)))
	list := c.list(open, 1000)
	c.clunk(open)
	if _, ok := list["."]; !ok {
		t.Errorf("%s has no entry .", dir)
	}
	delete(list, ".")
	delete(list, "..")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(list) {
		t.Errorf("%s has %d entries, want %d", dir, len(list), len(entries))
	}
	for _, entry := range entries {
		files++
		name := filepath.Join(dir, entry.Name())
		f, err := c.tryWalk(fid, entry.Name())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, err := c.stat(f)
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			t.Fatal(err)
		}
		if err != nil || a.mode != st.Mode || a.uid != st.Uid || a.gid != st.Gid || a.nlink != uint64(st.Nlink) ||
			a.size != uint64(st.Size) || a.blocks != uint64(st.Blocks) || a.mtime != st.Mtim || a.q != qidOf(&st) {
			t.Errorf("%s: %+v, %v, want %+v", name, a, err, st)
		}
		if q := list[entry.Name()]; q.kind != a.q.kind || q.path != a.q.path {
			t.Errorf("%s: the entry has %v, the file %v", name, q, a.q)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			files += compare(t, c, f, name)
		case unix.S_IFLNK:
			d := c.must(c.call(msgReadlink, u32(f)))
			if want, _ := os.Readlink(name); d.str() != want {
				t.Errorf("%s: wrong target", name)
			}
			c.fails(unix.ELOOP, msgLopen, u32(f), u32(unix.O_RDONLY))
		case unix.S_IFREG:
			c.must(c.call(msgLopen, u32(f), u32(unix.O_RDONLY)))
			want, _ := os.ReadFile(name)
			var got []byte
			for {
				p, err := c.read(f, uint64(len(got)), 100_000)
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, p...); len(p) == 0 {
					break
				}
			}
			if string(got) != string(want) {
				t.Errorf("%s: other contents", name)
			}
		default:
			c.fails(unix.ENXIO, msgLopen, u32(f), u32(unix.O_RDONLY))
		}
		c.clunk(f)
	}
	return files
}

// TestTree finds a tree with everything in it that is odd, as the host has it.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	if err := testimg.WriteTree(dir, testimg.OddTree()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // of types that are not opened
		if err := unix.Mknod(fmt.Sprint(dir, "/special", i), []uint32{unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR}[i]|0o666, int(unix.Mkdev(1, 3))); err != nil && i < 2 {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("é", 127) + "x"
	if err := os.WriteFile(filepath.Join(dir, long), []byte(long), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {ReadOnly: true}} {
		c := start(t, dir, o)
		if n := compare(t, c, rootFid, dir); n < 20 {
			t.Errorf("only %d files", n)
		}
		if c.fidsLeft() != 1 {
			t.Error("fids are left")
		}
	}
}

// fidsLeft counts the fids that a client still has, by removing them.
func (c *client) fidsLeft() (n int) {
	for fid := range c.next {
		if c.clunk(fid) == nil {
			n++
		}
	}
	return n
}

// TestDepth walks so deep that all paths together are longer than PATH_MAX, and that
// descriptors have to be closed and opened again on the way.
func TestDepth(t *testing.T) {
	c := start(t, t.TempDir(), Options{})
	fid := uint32(rootFid)
	name := strings.Repeat("d", 200)
	fids := []uint32{fid}
	for range 100 {
		c.must(c.call(msgMkdir, u32(fid), str(name), u32(0o755), u32(0)))
		next, err := c.tryWalk(fid, name)
		if err != nil {
			t.Fatal(err)
		}
		fid = next
		fids = append(fids, fid)
	}
	// Others push the descriptors out.
	for range 2 * maxPaths() {
		c.must(c.call(msgMkdir, u32(rootFid), str(fmt.Sprint("other", c.next)), u32(0o755), u32(0)))
		c.walk(fmt.Sprint("other", c.next))
	}
	for _, fid := range fids {
		if _, err := c.stat(fid); err != nil {
			t.Fatal(err)
		}
	}
	c.must(c.call(msgLcreate, u32(fid), str("file"), u32(unix.O_RDWR), u32(0o600), u32(0)))
	if n, err := c.write(fid, 0, "deep"); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	// To the root, and not further.
	up := make([]string, 0, 200)
	for range 150 {
		up = append(up, "..")
	}
	top, err := c.tryWalk(fids[99], up...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.stat(top)
	if want, _ := c.stat(rootFid); err != nil || a.q != want.q {
		t.Errorf("%v, %v, want the root", a.q, err)
	}
}

// TestManyEntries lists large directories, whole and from places in the middle.
func TestManyEntries(t *testing.T) {
	t.Run("disk", func(t *testing.T) { manyEntries(t, t.TempDir(), 5_000) })
	dir, err := os.MkdirTemp("/dev/shm", "hostdir") // a disk takes half a minute for it
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	t.Run("memory", func(t *testing.T) { manyEntries(t, dir, 100_000) })
}

func manyEntries(t *testing.T, dir string, n int) {
	for i := range n {
		if err := unix.Mknod(fmt.Sprintf("%s/%d", dir, i), unix.S_IFREG|0o600, 0); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, dir, Options{ReadOnly: true})
	fid := c.open(openDir)
	for _, size := range []uint32{MaxMessage, 4096 - readHeader} {
		if got := c.list(fid, size); len(got) != n+2 {
			t.Errorf("%d entries, want %d", len(got), n+2)
		}
	}
	// A client may go back to each place that it was told of.
	d := c.must(c.call(msgReaddir, u32(fid), u64(0), u32(200)))
	d.u32()
	var offs []uint64
	var after []string
	for len(d.b) > 0 {
		readQid(d)
		offs = append(offs, d.u64())
		d.u8()
		after = append(after, d.str())
	}
	for i := len(offs) - 2; i >= 0; i-- {
		d := c.must(c.call(msgReaddir, u32(fid), u64(offs[i]), u32(100)))
		d.u32()
		readQid(d)
		d.bytes(9)
		if got := d.str(); got != after[i+1] {
			t.Errorf("after %q comes %q, want %q", after[i], got, after[i+1])
		}
	}
	c.fails(unix.EINVAL, msgReaddir, u32(fid), u64(0), u32(10))
	if d := c.must(c.call(msgReaddir, u32(fid), u64(1<<63-1), u32(1000))); d.u32() != 0 && d.bad {
		t.Error("entries past the end")
	}
}

// TestSparse writes at 5 GB, and keeps the hole.
func TestSparse(t *testing.T) {
	dir := t.TempDir()
	c := start(t, dir, Options{})
	fid := c.walk()
	c.must(c.call(msgLcreate, u32(fid), str("sparse"), u32(unix.O_RDWR|openExcl), u32(0o644), u32(0)))
	const off = 5 << 30
	if n, err := c.write(fid, off, "end"); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	a, err := c.stat(fid)
	if err != nil || a.size != off+3 || a.blocks > 64 {
		t.Errorf("%+v, %v", a, err)
	}
	if p, err := c.read(fid, off-5, 100); string(p) != "\x00\x00\x00\x00\x00end" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if p, err := c.read(fid, 1<<30, 1<<20); len(p) != MaxMessage-readHeader || strings.Trim(string(p), "\x00") != "" || err != nil {
		t.Errorf("%d bytes of a hole, %v", len(p), err)
	}
	for _, off := range []uint64{1 << 63, 1<<64 - 1, 1<<63 - 1} {
		c.fails(unix.EINVAL, msgRead, u32(fid), u64(off), u32(10))
		c.fails(unix.EFBIG, msgWrite, u32(fid), u64(off), u32(1), u8(0))
	}
	c.setattr(fid, attrSize, func(s *setattr) { s.size = 6 << 30 })
	if st, err := os.Stat(dir + "/sparse"); err != nil || st.Size() != 6<<30 {
		t.Errorf("%v, %v", st.Size(), err)
	}
	if _, err := c.trySetattr(fid, attrSize, func(s *setattr) { s.size = 1 << 63 }); err != unix.EFBIG {
		t.Error(err)
	}
}

type setattr struct {
	mode, uid, gid uint32
	size           uint64
	times          [4]uint64
}

func (c *client) trySetattr(fid, valid uint32, f func(s *setattr)) (*decoder, error) {
	var s setattr
	f(&s)
	return c.call(msgSetattr, u32(fid), u32(valid), u32(s.mode), u32(s.uid), u32(s.gid), u64(s.size),
		u64(s.times[0]), u64(s.times[1]), u64(s.times[2]), u64(s.times[3]))
}

func (c *client) setattr(fid, valid uint32, f func(s *setattr)) {
	c.t.Helper()
	if _, err := c.trySetattr(fid, valid, f); err != nil {
		c.t.Error(err)
	}
}
