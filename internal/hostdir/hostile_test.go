package hostdir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// outside makes a directory with a file of the host beside the one that is served, which is
// returned.
func outside(t testing.TB) (dir, secret string) {
	t.Helper()
	top := t.TempDir()
	dir, secret = filepath.Join(top, "dir"), filepath.Join(top, "secret")
	for _, d := range []string{dir, secret, dir + "/sub", dir + "/sub/x"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{secret + "/x": "secret", dir + "/f": "public"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"up": "..", "abs": secret, "file": "../secret/x", "sub/far": "../../secret"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, secret
}

// unharmed finds that what outside made is as it was.
func unharmed(t *testing.T, secret string) {
	t.Helper()
	text, err := os.ReadFile(secret + "/x")
	list, _ := os.ReadDir(secret)
	top, _ := os.ReadDir(filepath.Dir(secret))
	if string(text) != "secret" || err != nil || len(list) != 1 || len(top) != 2 || lstat(t, secret+"/x").Mode != unix.S_IFREG|0o644 {
		t.Errorf("something outside has changed: %q, %v, %v, %v", text, err, list, top)
	}
}

// TestOutside tries all ways out of the directory that names have.
func TestOutside(t *testing.T) {
	dir, secret := outside(t)
	c := start(t, dir, Options{})
	root, err := c.stat(rootFid)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range [][]string{{".."}, {"..", ".."}, {"sub", "..", ".."}, {"sub", "x", "..", "..", "..", ".."}} {
		if a, err := c.stat(c.walk(path...)); err != nil || a.q != root.q {
			t.Errorf("%q is %v, %v", path, a.q, err)
		}
	}
	for _, name := range []string{"", ".", "/", "/etc", "../secret", "sub/x", "sub/../../secret", "f\x00", "\x00", "..\x00", "abs/x", "x/", "//"} {
		if _, err := c.tryWalk(rootFid, name); err != unix.EINVAL {
			t.Errorf("%q: %v", name, err)
		}
		for _, name := range []string{name, ".."} {
			c.fails(unix.EINVAL, msgMkdir, u32(rootFid), str(name), u32(0o755), u32(0))
			c.fails(unix.EINVAL, msgSymlink, u32(rootFid), str(name), str("x"), u32(0))
			c.fails(unix.EINVAL, msgMknod, u32(rootFid), str(name), u32(unix.S_IFIFO), u32(0), u32(0), u32(0))
			c.fails(unix.EINVAL, msgLink, u32(rootFid), u32(c.walk("f")), str(name))
			c.fails(unix.EINVAL, msgRenameat, u32(rootFid), str("f"), u32(rootFid), str(name))
			c.fails(unix.EINVAL, msgRenameat, u32(rootFid), str(name), u32(rootFid), str("y"))
			c.fails(unix.EINVAL, msgRename, u32(c.walk("f")), u32(rootFid), str(name))
			c.fails(unix.EINVAL, msgUnlinkat, u32(rootFid), str(name), u32(0))
			c.fails(unix.EINVAL, msgUnlinkat, u32(rootFid), str(name), u32(unix.AT_REMOVEDIR))
			if _, err := c.create(rootFid, name, unix.O_RDWR, 0o600); err != unix.EINVAL {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if _, err := c.tryWalk(rootFid, strings.Repeat("x", 256)); err != unix.ENAMETOOLONG {
		t.Error(err)
	}
	// A symbolic link is one, and no way.
	for _, path := range [][]string{{"up"}, {"abs"}, {"file"}, {"sub", "far"}} {
		f := c.walk(path...)
		if _, err := c.tryWalk(f, "x"); err != unix.ENOTDIR {
			t.Errorf("%q: %v", path, err)
		}
		c.fails(unix.ELOOP, msgLopen, u32(f), u32(unix.O_RDONLY))
		c.fails(unix.ENOTDIR, msgMkdir, u32(f), str("new"), u32(0o755), u32(0))
		if _, err := c.create(rootFid, path[0], unix.O_RDWR|openTrunc, 0o600); err == nil {
			t.Errorf("%q was opened", path)
		}
		if _, err := c.trySetattr(f, attrMode, func(s *setattr) { s.mode = 0 }); err != unix.EOPNOTSUPP {
			t.Errorf("%q: %v", path, err)
		}
		if a, err := c.stat(f); err != nil || a.mode&unix.S_IFMT != unix.S_IFLNK {
			t.Errorf("%q: %o, %v", path, a.mode, err)
		}
	}
	// What lies above the root is not told.
	if list := c.list(c.open(0), 4096); list[".."].path != root.q.path {
		t.Errorf("the root lies in %v", list[".."])
	}
	c.fails(unix.ENOENT, msgAttach, u32(4_000), u32(noFid), str(""), str("../secret"), u32(0))
	unharmed(t, secret)
}

// TestRace has the host exchange a directory for a symbolic link all the time.
func TestRace(t *testing.T) {
	dir, secret := outside(t)
	c := start(t, dir, Options{})
	held := c.walk("sub")
	stop := make(chan struct{})
	var host sync.WaitGroup
	host.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				os.Rename(dir+"/sub", dir+"/away")
				os.Symlink("../secret", dir+"/sub")
				os.Remove(dir + "/sub")
				os.Rename(dir+"/away", dir+"/sub")
			}
		}
	})
	links, dirs := 0, 0
	for i := range 3000 {
		name := fmt.Sprint("new", i)
		fid, err := c.tryWalk(rootFid, "sub")
		if err != nil {
			continue
		}
		if a, err := c.stat(fid); err == nil && a.mode&unix.S_IFMT == unix.S_IFLNK {
			links++
		} else if err == nil {
			dirs++
		}
		for _, at := range []uint32{fid, held} {
			if x, err := c.tryWalk(at, "x"); err == nil {
				if a, err := c.stat(x); err != nil || a.mode&unix.S_IFMT != unix.S_IFDIR {
					t.Errorf("%+v, %v", a, err)
				}
				c.clunk(x)
			}
			c.call(msgMkdir, u32(at), str(name), u32(0o755), u32(0))
			c.call(msgRenameat, u32(at), str(name), u32(at), str("other"))
			c.call(msgUnlinkat, u32(at), str("other"), u32(unix.AT_REMOVEDIR))
			c.call(msgUnlinkat, u32(at), str("x"), u32(0))
			c.call(msgSetattr, u32(at), u32(attrMode), u32(0o700), u32(0), u32(0), u64(0), u64(0), u64(0), u64(0), u64(0))
		}
		c.clunk(fid)
	}
	close(stop)
	host.Wait()
	if dirs == 0 {
		t.Error("the directory was never there")
	}
	t.Logf("%d times a directory, %d times a link", dirs, links)
	unharmed(t, secret)
}

// TestStale has the host put another file in the place of one that the client knows.
func TestStale(t *testing.T) {
	dir, _ := outside(t)
	c := start(t, dir, Options{})
	f, sub, x := c.walk("f"), c.walk("sub"), c.walk("sub", "x")
	for i := range 2 * maxPaths() { // that all descriptors are closed meanwhile
		c.must(c.call(msgMkdir, u32(rootFid), str(fmt.Sprint("d", i)), u32(0o755), u32(0)))
		c.walk(fmt.Sprint("d", i))
	}
	os.Remove(dir + "/f")
	unix.Mkfifo(dir+"/f", 0o600) // to open it would take for ever
	os.Rename(dir+"/sub", dir+"/moved")
	for _, fid := range []uint32{f, sub, x} {
		if _, err := c.stat(fid); err != unix.ESTALE && err != unix.ENOENT {
			t.Error(err)
		}
		if _, err := c.call(msgLopen, u32(fid), u32(unix.O_RDONLY)); err != unix.ESTALE && err != unix.ENOENT {
			t.Error(err)
		}
	}
	if a, err := c.stat(c.walk("f")); err != nil || a.mode&unix.S_IFMT != unix.S_IFIFO {
		t.Errorf("%+v, %v", a, err)
	}
	// Renames that the host and the client make crosswise do not make circles.
	a, b := c.walk("d1"), c.walk("d2")
	os.Rename(dir+"/d2", dir+"/z")
	os.Rename(dir+"/d1", dir+"/z/d1")
	c.fails(unix.ENOENT, msgRenameat, u32(rootFid), str("d1"), u32(b), str("in"))
	os.Rename(dir+"/z/d1", dir+"/d1")
	c.must(c.call(msgRenameat, u32(rootFid), str("d1"), u32(b), str("in"))) // to z/in
	os.Rename(dir+"/z/in", dir+"/in")
	os.Rename(dir+"/z", dir+"/in/z")
	os.Rename(dir+"/in", dir+"/d2")
	os.Rename(dir+"/d2/z", dir+"/y")
	c.call(msgRenameat, u32(rootFid), str("d2"), u32(a), str("again"))
	for _, fid := range []uint32{a, b} {
		c.stat(fid)
		if up, err := c.tryWalk(fid, "..", "..", "..", ".."); err == nil {
			c.stat(up)
		}
	}
}

// TestViolations sends what is no conversation: the session ends, with an error that says so.
func TestViolations(t *testing.T) {
	hello := message(msgVersion, 0xffff, u32(8192), str(version))
	sized := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	for name, stream := range map[string][]byte{
		"size 0":          sized(0),
		"size 6":          append(sized(6), 1, 2),
		"size 4 GiB":      sized(1<<32 - 1),
		"long first":      append(sized(4000), hello[4:]...),
		"long":            append(bytes.Clone(hello), sized(8193)...),
		"cut off":         hello[:len(hello)-1],
		"cut off in size": append(bytes.Clone(hello), 7, 0),
		"no version":      message(msgAttach, 1, u32(0), u32(noFid), str(""), str(""), u32(0)),
		"other version":   append(message(msgVersion, 0xffff, u32(8192), str("9P2000")), message(msgWalk, 1, u32(0), u32(1), u16(0))...),
		"an answer":       append(bytes.Clone(hello), message(msgWalk+1, 1)...),
	} {
		dir, _ := outside(t)
		c := serve(t, dir, Options{})
		go io.Copy(io.Discard, c.r)
		c.w.Write(stream)
		c.w.Close()
		err := <-c.done
		c.done <- nil
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]struct {
		r   io.Reader
		err error
	}{
		"end":  {bytes.NewReader(hello), nil},
		"none": {stuck{}, io.ErrNoProgress},
		"lies": {liar{}, io.ErrNoProgress},
	} {
		if err := d.Serve(want.r, io.Discard); !errors.Is(err, want.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Serve(bytes.NewReader(hello), full{}); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
}

type (
	stuck struct{}
	liar  struct{}
	full  struct{}
)

func (stuck) Read([]byte) (int, error)   { return 0, nil }
func (liar) Read(p []byte) (int, error)  { return len(p) + 1, nil }
func (full) Write(p []byte) (int, error) { return 0, unix.ENOSPC }

// TestNonsense sends messages whose fields make no sense: each is an error, and the session
// goes on.
func TestNonsense(t *testing.T) {
	dir, secret := outside(t)
	c := start(t, dir, Options{})
	f, sub := c.open(unix.O_RDWR, "f"), c.open(0, "sub")
	for kind := 0; kind < 256; kind += 2 {
		if kind != msgFlush {
			if _, err := c.call(uint8(kind)); err != unix.EINVAL && err != unix.EOPNOTSUPP {
				t.Errorf("message %d without fields: %v", kind, err)
			}
		}
	}
	c.must(c.call(msgVersion, u32(8192), str(version))) // all is forgotten
	c.must(c.call(msgAttach, u32(rootFid), u32(noFid), str(""), str(""), u32(0)))
	c.fails(unix.EBADF, msgGetattr, u32(f), u64(0))
	c.fails(unix.EMSGSIZE, msgVersion, u32(4095), str(version))
	f, sub = c.open(unix.O_RDWR, "f"), c.open(0, "sub")
	c.fails(unix.EINVAL, msgAttach, u32(rootFid), u32(noFid), str(""), str(""), u32(0))
	c.fails(unix.EINVAL, msgAttach, u32(noFid), u32(noFid), str(""), str(""), u32(0))
	c.fails(unix.EINVAL, msgWalk, u32(rootFid), u32(f), u16(0))
	c.fails(unix.EINVAL, msgWalk, u32(rootFid), u32(noFid), u16(0))
	c.fails(unix.EINVAL, msgWalk, u32(rootFid), u32(100), u16(17))
	c.fails(unix.EINVAL, msgWalk, u32(rootFid), u32(100), u16(1), u16(9), u8('x'))
	c.fails(unix.EINVAL, msgWalk, u32(f), u32(f), u16(0))
	c.fails(unix.EINVAL, msgWalk, u32(sub), u32(100), names("x")) // it is open
	c.fails(unix.ENOTDIR, msgWalk, u32(c.walk("f")), u32(100), names("x"))
	c.fails(unix.EINVAL, msgLopen, u32(f), u32(0))
	c.fails(unix.EINVAL, msgLopen, u32(c.walk("f")), u32(3))
	c.fails(unix.EISDIR, msgLopen, u32(rootFid), u32(unix.O_RDWR))
	c.fails(unix.ENOTDIR, msgLopen, u32(c.walk("f")), u32(openDir))
	c.fails(unix.EISDIR, msgRead, u32(sub), u64(0), u32(10))
	c.fails(unix.ENOTDIR, msgReaddir, u32(f), u64(0), u32(1000))
	c.fails(unix.EBADF, msgReaddir, u32(rootFid), u64(0), u32(1000))
	c.fails(unix.EINVAL, msgReaddir, u32(sub), u64(1<<63), u32(1000))
	c.fails(unix.EINVAL, msgWrite, u32(f), u64(0), u32(1<<31), u8(0)) // more than there is
	c.fails(unix.EINVAL, msgWrite, u32(f), u64(0), u32(1<<32-1))
	c.fails(unix.EBADF, msgFsync, u32(rootFid), u32(0))
	for _, kind := range []uint8{msgStatfs, msgGetattr, msgReadlink, msgClunk, msgRemove} {
		c.fails(unix.EINVAL, kind, u16(0)) // half a fid
	}
	c.fails(unix.EINVAL, msgReadlink, u32(f))
	c.fails(unix.ESTALE, msgRemove, u32(rootFid))
	c.must(c.call(msgAttach, u32(rootFid), u32(noFid), str(""), str(""), u32(0)))
	c.fails(unix.EINVAL, msgUnlinkat, u32(rootFid), str("f"), u32(0x1000))
	if n, err := c.read(f, 0, 1<<32-1); string(n) != "public" || err != nil {
		t.Errorf("%q, %v", n, err)
	}
	unharmed(t, secret)
}

// TestFlush has a request and its flush under way at once: that of the request is the first
// answer.
func TestFlush(t *testing.T) {
	dir, _ := outside(t)
	c := start(t, dir, Options{})
	f := c.open(unix.O_RDWR, "f")
	for range 200 {
		both := append(message(msgFsync, 1, u32(f), u32(0)), message(msgFlush, 2, u16(1))...)
		both = append(both, message(msgFlush, 3, u16(1))...)
		if _, err := c.w.Write(both); err != nil {
			t.Fatal(err)
		}
		var order []uint16
		for range 3 {
			_, tag, _, err := c.answer()
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, tag)
		}
		if order[0] != 1 {
			t.Errorf("the answers came as %v", order)
		}
	}
}

// TestLimits goes to the bounds, and back.
func TestLimits(t *testing.T) {
	dir, _ := outside(t)
	c := start(t, dir, Options{})
	var made []uint32
	var err error
	for err == nil && len(made) < 10_000 {
		var f uint32
		if f, err = c.tryWalk(rootFid, "f"); err != nil {
			break
		}
		made = append(made, f)
		_, err = c.call(msgXattrcreate, u32(f), str("user.x"), u64(maxXattr), u32(0))
	}
	if err != unix.ENOMEM && err != unix.ENFILE || len(made) < 1000 {
		t.Errorf("%d attributes, then %v", len(made), err)
	}
	for _, f := range made {
		c.clunk(f)
	}
	before := maxOpened
	defer func() { maxOpened = before }()
	maxOpened = func() int64 { return 20 }
	made, err = nil, nil
	for err == nil && len(made) < 10_000 {
		f := c.walk("f")
		made = append(made, f)
		_, err = c.call(msgLopen, u32(f), u32(0))
	}
	if err != unix.ENFILE || len(made) != 21 {
		t.Errorf("%d files, then %v", len(made), err)
	}
	c.clunk(made[0])
	c.must(c.call(msgLopen, u32(made[20]), u32(0)))
}

// TestFids refers to more files than this process can have open.
func TestFids(t *testing.T) {
	dir, _ := outside(t)
	c := start(t, dir, Options{})
	var st unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &st)
	for i := range 3 * maxPaths() {
		if err := os.WriteFile(fmt.Sprint(dir, "/", i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c.walk(fmt.Sprint(i))
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(list) > maxPaths()+50 {
		t.Errorf("%d descriptors, %v", len(list), err)
	}
}

// FuzzServe sends a stream of messages, of which the sizes and the first ones are right.
func FuzzServe(f *testing.F) {
	add := func(m ...[]byte) {
		var all []byte
		for _, m := range m {
			all = append(all, m[4:]...)
			all = append(all, 0xff, 0xfe) // the end of a message
		}
		f.Add(all, false)
		f.Add(all, true)
	}
	add(message(msgWalk, 1, u32(0), u32(1), names("f")), message(msgLopen, 2, u32(1), u32(2)),
		message(msgWrite, 3, u32(1), u64(0), u32(3), raw([]byte("new"))), message(msgRead, 4, u32(1), u64(0), u32(100)),
		message(msgFsync, 5, u32(1), u32(0)), message(msgFlush, 6, u16(5)), message(msgClunk, 7, u32(1)))
	add(message(msgWalk, 1, u32(0), u32(1), names("sub", "x", "..", "..", "..")), message(msgLopen, 2, u32(1), u32(0)),
		message(msgReaddir, 3, u32(1), u64(0), u32(1000)), message(msgStatfs, 4, u32(1)), message(msgGetattr, 5, u32(1), u64(0x7ff)))
	add(message(msgMkdir, 1, u32(0), str("d"), u32(0o755), u32(0)), message(msgRenameat, 2, u32(0), str("d"), u32(0), str("e")),
		message(msgSymlink, 3, u32(0), str("l"), str("../secret/x"), u32(0)), message(msgLcreate, 4, u32(0), str("l"), u32(1), u32(0o600), u32(0)),
		message(msgUnlinkat, 5, u32(0), str("e"), u32(0x200)), message(msgMknod, 6, u32(0), str("p"), u32(unix.S_IFIFO), u32(0), u32(0), u32(0)))
	add(message(msgWalk, 1, u32(0), u32(1), names("f")), message(msgXattrcreate, 2, u32(1), str("user.x"), u64(3), u32(0)),
		message(msgWrite, 3, u32(1), u64(0), u32(3), raw([]byte("abc"))), message(msgClunk, 4, u32(1)), message(msgXattrwalk, 5, u32(0), u32(2), str("")),
		message(msgLink, 6, u32(0), u32(0), str("h")), message(msgSetattr, 7, u32(0), u32(0x1ff), u32(0o700), u32(0), u32(0), u64(0), u64(1), u64(2), u64(3), u64(4)),
		message(msgRemove, 8, u32(0)), message(msgReadlink, 9, u32(0)), message(msgLock, 10, u32(0), u8(1), u32(0), u64(0), u64(0), u32(0), str("")),
		message(msgVersion, 11, u32(8192), str(version)))
	f.Fuzz(func(t *testing.T, stream []byte, readOnly bool) {
		dir, secret := outside(t)
		d, err := Open(dir, Options{ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		all := message(msgVersion, 0xffff, u32(8192), str(version))
		all = append(all, message(msgAttach, 1, u32(0), u32(noFid), str(""), str(""), u32(0))...)
		for _, m := range bytes.Split(stream, []byte{0xff, 0xfe}) {
			all = binary.LittleEndian.AppendUint32(all, uint32(len(m)+4))
			all = append(all, m...)
		}
		d.Serve(bytes.NewReader(all), io.Discard)
		if n := opened.Load(); n != 0 {
			t.Errorf("%d files are open", n)
		}
		unharmed(t, secret)
		if list, _ := os.ReadDir(dir); readOnly && (len(list) != 5 || lstat(t, dir+"/f").Size != 6) {
			t.Errorf("a directory that is only read has %v", list)
		}
		for _, name := range []string{"f", "sub"} {
			var st unix.Stat_t
			if unix.Lstat(filepath.Join(dir, name), &st) == nil && privileged(st.Mode) {
				t.Errorf("%s has mode %o", name, st.Mode)
			}
		}
	})
}

// TestRandom makes messages of what occurs in messages, which goes deeper than a fuzzer without
// time gets.
func TestRandom(t *testing.T) {
	dir, secret := outside(t)
	c := start(t, dir, Options{})
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	done := 0
	for range 20_000 {
		kinds := []uint8{
			msgLopen, msgLcreate, msgSymlink, msgMknod, msgRename, msgReadlink, msgGetattr, msgSetattr, msgXattrwalk,
			msgXattrcreate, msgReaddir, msgFsync, msgLock, msgLink, msgMkdir, msgRenameat, msgUnlinkat, msgWalk, msgWalk, msgWalk,
			msgRead, msgWrite, msgClunk, msgClunk, msgRemove, msgMkdir, msgMkdir, msgMknod, msgLcreate,
		}
		fid := func() field { return u32(uint32(pickInt(rnd, 0, 0, 0, 1, 2, 3, 4, 5))) }
		name := func() field {
			return str(pick("a", "b", "c", "sub", "x", "f", "up", "abs", "user.a", "..", ".", "", "a/b"))
		}
		small := func() field {
			return u32(uint32(pickInt(rnd, 0, 0, 1, 2, 3, 0o200, 0o1000, 0o755, 0x200, 1<<31, unix.S_IFIFO)))
		}
		long := func() field { return u64(uint64(pickInt(rnd, 0, 0, 1, 5, 4096, 1<<40, -1))) }
		var m []field
		kind := kinds[rnd.IntN(len(kinds))]
		switch kind {
		case msgWalk:
			m = []field{fid(), fid(), names([]string{pick("a", "b", "sub"), pick("x", "a", "..", "c"), pick("a", "..", "f")}[:rnd.IntN(4)]...)}
			_, err := c.call(kind, m...)
			done += ok(err)
			continue
		case msgLcreate, msgMkdir, msgUnlinkat, msgMknod:
			m = []field{fid(), name(), small(), small(), small(), small()}
		case msgSymlink, msgXattrcreate:
			m = []field{fid(), name(), name(), small(), small()}
		case msgRenameat:
			m = []field{fid(), name(), fid(), name()}
		case msgRename, msgLink, msgXattrwalk:
			m = []field{fid(), fid(), name()}
		case msgRead, msgReaddir, msgWrite:
			m = []field{fid(), long(), u32(5), raw([]byte("hello"))}
		case msgSetattr:
			m = []field{fid(), small(), small(), u32(0), u32(0), u64(5), long(), long(), long(), long()}
		default:
			m = []field{fid(), small(), small(), long(), long(), small(), name()}
		}
		_, err := c.call(kind, m...)
		done += ok(err)
		if _, isErrno := err.(unix.Errno); err != nil && !isErrno {
			t.Fatal(err)
		}
		if c.fidless() {
			c.call(msgAttach, u32(rootFid), u32(noFid), str(""), str(""), u32(0))
		}
	}
	t.Logf("%d of 20000 were done", done)
	unharmed(t, secret)
}

func pickInt(rnd *rand.Rand, list ...int) int { return list[rnd.IntN(len(list))] }

func ok(err error) int {
	if err == nil {
		return 1
	}
	return 0
}

// fidless reports whether the root has no fid.
func (c *client) fidless() bool {
	_, err := c.call(msgGetattr, u32(rootFid), u64(0))
	return err == unix.EBADF
}
