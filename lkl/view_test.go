package lkl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func collect() { runtime.GC() }

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestCalls makes each call once, on the host's file system by way of the fake
// kernel, and looks at what it did with the host's own calls.
func TestCalls(t *testing.T) {
	k := bootFake(t, nil)
	dir := t.TempDir()
	testCalls(t, k, dir)
}

func testCalls(t *testing.T, k *Kernel, dir string) {
	path := func(s string) string { return filepath.Join(dir, s) }

	dfd, err := k.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, "open", err)
	must(t, "mkdirat", k.Mkdirat(dfd, "d", 0o755))
	fd, err := k.Openat(dfd, "f", unix.O_RDWR|unix.O_CREAT, 0o600)
	must(t, "openat", err)

	n, err := k.Write(fd, []byte("hello, world"))
	if n != 12 || err != nil {
		t.Fatalf("write: %d %v", n, err)
	}
	if off, err := k.Seek(fd, 7, unix.SEEK_SET); off != 7 || err != nil {
		t.Fatalf("seek: %d %v", off, err)
	}
	b := make([]byte, 100)
	if n, err = k.Read(fd, b); string(b[:n]) != "world" || err != nil {
		t.Fatalf("read: %q %v", b[:n], err)
	}
	if n, err = k.Read(fd, b); n != 0 || err != nil {
		t.Fatalf("read at the end: %d %v", n, err)
	}
	if n, err = k.Pread(fd, b[:5], 0); string(b[:n]) != "hello" || err != nil {
		t.Fatalf("pread: %q %v", b[:n], err)
	}
	if n, err = k.Pwrite(fd, []byte("J"), 0); n != 1 || err != nil {
		t.Fatalf("pwrite: %d %v", n, err)
	}
	if n, err = k.Pread(fd, nil, 0); n != 0 || err != nil {
		t.Fatalf("empty pread: %d %v", n, err)
	}
	must(t, "fsync", k.Fsync(fd))
	must(t, "fdatasync", k.Fdatasync(fd))
	must(t, "syncfs", k.Syncfs(fd))
	must(t, "sync", k.Sync())
	must(t, "fchmod", k.Fchmod(fd, 0o640))
	must(t, "fchown", k.Fchown(fd, -1, -1))
	ts := []unix.Timespec{{Sec: 1, Nsec: 2000}, {Sec: 3, Nsec: 4000}}
	must(t, "futimens", k.Futimens(fd, ts))

	var st unix.Statx_t
	must(t, "fstatx", k.Fstatx(fd, unix.STATX_ALL, &st))
	if st.Size != 12 || st.Mode != unix.S_IFREG|0o640 || st.Mtime.Sec != 3 || st.Mtime.Nsec != 4000 || st.Atime.Sec != 1 {
		t.Fatalf("statx: %+v", st)
	}
	must(t, "fchmodat", k.Fchmodat(dfd, "f", 0o600, 0))
	must(t, "fchownat", k.Fchownat(dfd, "f", -1, -1, unix.AT_SYMLINK_NOFOLLOW))
	must(t, "utimensat", k.UtimesNanoAt(dfd, "f", ts[:], unix.AT_SYMLINK_NOFOLLOW))
	must(t, "faccessat", k.Faccessat(dfd, "f", unix.R_OK, 0))
	must(t, "ftruncate", k.Ftruncate(fd, 8))
	must(t, "truncate", k.Truncate(path("f"), 7))
	must(t, "fallocate", k.Fallocate(fd, 0, 0, 4096))
	must(t, "fadvise", k.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))

	must(t, "symlinkat", k.Symlinkat("f", dfd, "s"))
	if target, err := k.Readlink(dfd, "s"); target != "f" || err != nil {
		t.Fatalf("readlink: %q %v", target, err)
	}
	if n, err = k.Readlinkat(dfd, "s", b); string(b[:n]) != "f" || err != nil {
		t.Fatalf("readlinkat: %q %v", b[:n], err)
	}
	must(t, "linkat", k.Linkat(dfd, "f", dfd, "l", 0))
	must(t, "renameat", k.Renameat(dfd, "l", dfd, "m"))
	if err := k.Renameat2(dfd, "m", dfd, "f", unix.RENAME_NOREPLACE); err != unix.EEXIST {
		t.Fatalf("renameat2: %v", err)
	}
	must(t, "mknodat", k.Mknodat(dfd, "p", unix.S_IFIFO|0o600, 0))
	must(t, "unlinkat", k.Unlinkat(dfd, "p", 0))
	must(t, "rmdir", k.Unlinkat(dfd, "d", unix.AT_REMOVEDIR))

	o, err := k.Openat2(dfd, "f", &unix.OpenHow{Flags: unix.O_RDONLY, Resolve: unix.RESOLVE_BENEATH})
	must(t, "openat2", err)
	must(t, "close", k.CloseFd(o))
	if _, err := k.Openat2(dfd, "/etc", &unix.OpenHow{Resolve: unix.RESOLVE_BENEATH}); err != unix.EXDEV {
		t.Fatalf("openat2 beneath: %v", err)
	}

	var fsst unix.Statfs_t
	must(t, "statfs", k.Statfs(dir, &fsst))
	must(t, "fstatfs", k.Fstatfs(dfd, &fsst))
	if fsst.Bsize <= 0 || fsst.Namelen <= 0 {
		t.Fatalf("statfs: %+v", fsst)
	}

	g, err := k.Openat(dfd, "g", unix.O_RDWR|unix.O_CREAT, 0o600)
	must(t, "open", err)
	var in, out int64 = 1, 10
	if n, err := k.CopyFileRange(fd, &in, g, &out, 3, 0); n != 3 || err != nil || in != 4 || out != 13 {
		t.Fatalf("copy_file_range: %d %v, %d %d", n, err, in, out)
	}
	if n, err = k.Pread(g, b[:3], 10); string(b[:n]) != "ell" || err != nil {
		t.Fatalf("copied %q %v", b[:n], err)
	}
	if d, err := k.Dup(g); err != nil || k.CloseFd(d) != nil {
		t.Fatalf("dup: %v", err)
	}

	if n, err := k.Getdents(dfd, make([]byte, 4096)); n <= 0 || err != nil {
		t.Fatalf("getdents: %d %v", n, err)
	}
	testXattrs(t, k, path("f"), path("s"), fd)
	for _, fd := range []int{fd, g, dfd} {
		must(t, "close", k.CloseFd(fd))
	}
}

func testXattrs(t *testing.T, k *Kernel, file, link string, fd int) {
	err := k.Setxattr(file, "user.a", []byte("value"), 0)
	if err == unix.EOPNOTSUPP {
		t.Log("no user xattrs here")
		return
	}
	must(t, "setxattr", err)
	big := bytes.Repeat([]byte("x"), 3000)
	must(t, "fsetxattr", k.Fsetxattr(fd, "user.b", big, unix.XATTR_CREATE))
	b := make([]byte, 5000)
	if n, err := k.Getxattr(file, "user.a", b); string(b[:max(n, 0)]) != "value" || err != nil {
		t.Errorf("getxattr: %d %v", n, err)
	}
	if n, err := k.Fgetxattr(fd, "user.b", b); !bytes.Equal(b[:max(n, 0)], big) || err != nil {
		t.Errorf("fgetxattr: %d %v", n, err)
	}
	if n, err := k.Getxattr(file, "user.b", nil); n != len(big) || err != nil {
		t.Errorf("getxattr size: %d %v", n, err)
	}
	if _, err := k.Getxattr(file, "user.b", b[:10]); err != unix.ERANGE {
		t.Errorf("short getxattr: %v", err)
	}
	if n, err := k.Listxattr(file, b); !strings.Contains(string(b[:max(n, 0)]), "user.a\x00") || err != nil {
		t.Errorf("listxattr: %q %v", b[:max(n, 0)], err)
	}
	if n, err := k.Flistxattr(fd, nil); n < 14 || err != nil {
		t.Errorf("flistxattr: %d %v", n, err)
	}
	if _, err := k.Lgetxattr(link, "user.a", b); err != unix.ENODATA && err != unix.EPERM {
		t.Errorf("lgetxattr of a link: %v", err)
	}
	if err := k.Lsetxattr(link, "user.a", nil, 0); err != unix.EPERM {
		t.Errorf("lsetxattr of a link: %v", err)
	}
	must(t, "llistxattr", func() error { _, err := k.Llistxattr(link, b); return err }())
	must(t, "removexattr", k.Removexattr(file, "user.a"))
	must(t, "fremovexattr", k.Fremovexattr(fd, "user.b"))
	if err := k.Lremovexattr(file, "user.a"); err != unix.ENODATA {
		t.Errorf("lremovexattr: %v", err)
	}
}

func TestErrors(t *testing.T) {
	k := bootFake(t, nil)
	_, err := k.Open("/no/such/file", unix.O_RDONLY, 0)
	if err != unix.ENOENT || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	for path, want := range map[string]error{
		"a\x00b":                            unix.EINVAL,
		strings.Repeat("x", pathMax):        unix.ENAMETOOLONG,
		strings.Repeat("/x", pathMax/2)[1:]: unix.ENOENT,
	} {
		if _, err := k.Open(path, unix.O_RDONLY, 0); err != want {
			t.Errorf("open %.10q of %d: %v, want %v", path, len(path), err, want)
		}
	}
	long := strings.Repeat("/x", pathMax/2)[1:]
	if err := k.Linkat(unix.AT_FDCWD, long, unix.AT_FDCWD, long, 0); err != unix.ENOENT {
		t.Errorf("two long paths: %v", err)
	}
	var st unix.Statx_t
	if err := k.Statx(unix.AT_FDCWD, long, 0, 0, &st); err != unix.ENOENT {
		t.Errorf("statx of a long path: %v", err)
	}
	if err := k.Mount(long, long, long, 0, long); err == nil {
		t.Error("mount of long paths")
	}
	if err := k.CloseFd(-1); err != unix.EBADF {
		t.Errorf("close: %v", err)
	}
}

// TestData reads and writes pieces of all sizes around those where the way
// changes, from the heap and from a Buffer.
func TestData(t *testing.T) {
	k := bootFake(t, nil)
	name := filepath.Join(t.TempDir(), "f")
	const size = 3<<20 + 17
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	fd, err := k.Open(name, unix.O_RDWR|unix.O_CREAT, 0o600)
	must(t, "open", err)
	if n, err := k.Pwrite(fd, want, 0); n != size || err != nil {
		t.Fatalf("pwrite: %d %v", n, err)
	}
	if got, _ := os.ReadFile(name); !bytes.Equal(got, want) {
		t.Fatal("wrong bytes written")
	}
	if n, err := k.Write(fd, want); n != size || err != nil {
		t.Fatalf("write: %d %v", n, err)
	}
	if got, _ := os.ReadFile(name); !bytes.Equal(got, want) {
		t.Fatal("wrong bytes written again")
	}
	buf, err := k.Alloc(4 << 20)
	must(t, "alloc", err)
	defer buf.Free()
	for _, n := range []int{1, 4096, slotScratch, slotScratch + 1, directSize - 1, directSize, pieceSize, pieceSize + 1, 3*pieceSize + 5, size, size + 1, 4 << 20} {
		for _, off := range []int64{0, 1, size - 10, size} {
			for kind, p := range map[string][]byte{"heap": make([]byte, n), "buffer": buf.Bytes()[:n]} {
				clear(p)
				got, err := k.Pread(fd, p, off)
				exp := want[off:min(size, int(off)+n)]
				if got != len(exp) || err != nil || !bytes.Equal(p[:got], exp) {
					t.Errorf("%s: pread of %d at %d: %d %v", kind, n, off, got, err)
				}
			}
		}
	}
	copy(buf.Bytes(), want[100:])
	if n, err := k.Pwrite(fd, buf.Bytes()[:size-100], 0); n != size-100 || err != nil {
		t.Fatalf("pwrite of a buffer: %d %v", n, err)
	}
	if got, _ := os.ReadFile(name); !bytes.Equal(got[:size-100], want[100:]) {
		t.Fatal("wrong bytes written from a buffer")
	}
	if _, err := k.Pread(-1, make([]byte, 1<<20), 0); err != unix.EBADF {
		t.Errorf("large pread of nothing: %v", err)
	}
	if _, err := k.Pwrite(-1, make([]byte, 1<<20), 0); err != unix.EBADF {
		t.Errorf("large pwrite of nothing: %v", err)
	}
	if ext, err := k.Fiemap(fd, 0, 1<<40, FIEMAP_FLAG_SYNC); err == nil && len(ext) == 0 {
		t.Error("no extents")
	}
}

// TestConcurrent has more goroutines than slots make calls of all kinds.
func TestConcurrent(t *testing.T) {
	k := bootFake(t, nil)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for g := range maxCalls + 50 {
		wg.Go(func() {
			name := fmt.Sprintf("%s/%d", dir, g)
			data := bytes.Repeat([]byte{byte(g)}, 100_000+g)
			for range 3 {
				fd, err := k.Open(name, unix.O_RDWR|unix.O_CREAT, 0o600)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				k.Pwrite(fd, data, 0)
				got := make([]byte, len(data)+10)
				n, err := k.Pread(fd, got, 0)
				if err != nil || !bytes.Equal(got[:n], data) {
					t.Errorf("%d: read %d %v", g, n, err)
				}
				k.CloseFd(fd)
				if got, err := k.ReadFile(name, 1<<20); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d: readfile %d %v", g, len(got), err)
				}
			}
		})
	}
	wg.Wait()
}
