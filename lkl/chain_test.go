package lkl

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestChain(t *testing.T) {
	k := bootFake(t, nil)
	dir := t.TempDir()
	name := filepath.Join(dir, "f")

	c := k.NewChain()
	ts := []unix.Timespec{{Sec: 1}, {Sec: 2}}
	open := c.Openat(unix.AT_FDCWD, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	write := c.Write(open.Fd(), []byte("content"))
	c.Fchown(open.Fd(), -1, -1)
	c.Fchmod(open.Fd(), 0o644)
	c.Futimens(open.Fd(), ts)
	c.Close(open.Fd())
	must(t, "create", c.Run())
	if n, err := c.Result(write); n != 7 || err != nil {
		t.Errorf("write: %d %v", n, err)
	}
	if st, err := os.Stat(name); err != nil || st.Mode() != 0o644 || st.ModTime().Unix() != 2 {
		t.Errorf("stat: %v %v", st, err)
	}
	// Once more: the first link fails, so do all.
	if err := c.Run(); err != unix.EEXIST {
		t.Errorf("again: %v", err)
	}
	if _, err := c.Result(write); err != unix.ECANCELED {
		t.Errorf("canceled: %v", err)
	}

	c.Reset()
	var st unix.Statx_t
	buf := make([]byte, 100)
	open = c.Openat(unix.AT_FDCWD, name, unix.O_RDONLY, 0)
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, unix.STATX_ALL, &st)
	read := c.Read(open.Fd(), buf)
	bad := c.Write(open.Fd(), []byte("x"))
	never := c.Fsync(open.Fd())
	closed := c.Close(open.Fd())
	if err := c.Run(); err != unix.EBADF {
		t.Errorf("run: %v", err)
	}
	if n, err := c.Result(read); err != nil || string(buf[:n]) != "content" || st.Size != 7 {
		t.Errorf("read %q %v, size %d", buf[:max(n, 0)], err, st.Size)
	}
	for l, want := range map[Link]error{bad: unix.EBADF, never: unix.ECANCELED, closed: nil} {
		if _, err := c.Result(l); err != want {
			t.Errorf("link %d: %v, want %v", l, err, want)
		}
	}

	c.Reset()
	c.Mkdirat(unix.AT_FDCWD, dir+"/d", 0o755)
	c.Symlinkat("t", unix.AT_FDCWD, dir+"/s")
	c.Linkat(unix.AT_FDCWD, name, unix.AT_FDCWD, dir+"/l", 0)
	c.Mknodat(unix.AT_FDCWD, dir+"/p", unix.S_IFIFO|0o600, 0)
	c.Fchmodat(unix.AT_FDCWD, dir+"/p", 0o640)
	c.Fchownat(unix.AT_FDCWD, dir+"/s", -1, -1, unix.AT_SYMLINK_NOFOLLOW)
	c.UtimesNanoAt(unix.AT_FDCWD, dir+"/s", ts, unix.AT_SYMLINK_NOFOLLOW)
	c.UtimesNanoAt(unix.AT_FDCWD, dir+"/p", nil, 0)
	link := c.Readlinkat(unix.AT_FDCWD, dir+"/s", buf)
	c.Unlinkat(unix.AT_FDCWD, dir+"/l", 0)
	how := c.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{Flags: unix.O_RDWR})
	c.Ftruncate(how.Fd(), 3)
	c.Fallocate(how.Fd(), 0, 0, 100)
	c.Pwrite(how.Fd(), []byte("!"), 3)
	pr := c.Pread(how.Fd(), buf[50:], 0)
	c.Close(how.Fd())
	must(t, "names", c.Run())
	if n, err := c.Result(link); err != nil || string(buf[:n]) != "t" {
		t.Errorf("readlink %q %v", buf[:max(n, 0)], err)
	}
	if n, err := c.Result(pr); err != nil || n != 50 || string(buf[50:54]) != "con!" {
		t.Errorf("pread %d %v %q", n, err, buf[50:54])
	}

	for what, f := range map[string]func(c *Chain) error{
		"forward": func(c *Chain) error { c.Fsync(Link(0).Fd()); return unix.EINVAL },
		"path":    func(c *Chain) error { c.Mkdirat(0, "\x00", 0); return unix.EINVAL },
		"times":   func(c *Chain) error { c.Futimens(0, ts[:1]); return unix.EINVAL },
		"large":   func(c *Chain) error { c.Read(0, make([]byte, maxPiece)); return unix.E2BIG },
		"empty":   func(c *Chain) error { return nil },
		"many": func(c *Chain) error {
			for range chainMax + 1 {
				c.Fsync(0)
			}
			return unix.E2BIG
		},
	} {
		c := k.NewChain()
		if want, got := f(c), c.Run(); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}

// The data of a chain may lie in a Buffer, or be larger than a slot's scratch.
func TestChainData(t *testing.T) {
	k := bootFake(t, nil)
	name := filepath.Join(t.TempDir(), "f")
	b, err := k.Alloc(100_000)
	must(t, "alloc", err)
	defer b.Free()
	for i := range b.Bytes() {
		b.Bytes()[i] = byte(i * 7)
	}
	heap := make([]byte, 100_000)
	c := k.NewChain()
	open := c.Openat(unix.AT_FDCWD, name, unix.O_RDWR|unix.O_CREAT, 0o600)
	c.Write(open.Fd(), b.Bytes())
	c.Pread(open.Fd(), heap, 0)
	c.Write(open.Fd(), nil)
	c.Pwrite(open.Fd(), []byte{}, 0)
	c.Close(open.Fd())
	must(t, "run", c.Run())
	if !bytes.Equal(heap, b.Bytes()) {
		t.Error("wrong bytes")
	}
}

func TestReadFile(t *testing.T) {
	k := bootFake(t, nil)
	dir := t.TempDir()
	for _, n := range []int{0, 1, smallFile - 1, smallFile, smallFile + 1, 1 << 20} {
		want := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
		must(t, "write", os.WriteFile(dir+"/f", want, 0o600))
		for _, limit := range []int64{int64(n), 1 << 40} {
			got, err := k.ReadFile(dir+"/f", limit)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, limit %d: %d, %v", n, limit, len(got), err)
			}
		}
		if _, err := k.ReadFile(dir+"/f", int64(n-1)); err != unix.EFBIG {
			t.Errorf("%d bytes, limit one less: %v", n, err)
		}
	}
	must(t, "mkfifo", unix.Mkfifo(dir+"/p", 0o600))
	for path, want := range map[string]error{"/none": unix.ENOENT, "": unix.EISDIR, "/p": unix.EINVAL, "/f/x": unix.ENOTDIR} {
		if _, err := k.ReadFile(dir+path, 100); err != want {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
	}
	if got, err := k.ReadFile("/proc/self/status", 1<<20); err != nil || !bytes.HasPrefix(got, []byte("Name:")) {
		t.Errorf("a file without size: %q %v", got, err)
	}
}
