package hostdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// mountIn mounts a directory in a kernel until the test is over.
func mountIn(t testing.TB, k *lkl.Kernel, dir string, o Options) (*lkl.View, *Mount) {
	t.Helper()
	d, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	m, err := d.Mount(k)
	if errors.Is(err, unix.ENODEV) {
		t.Skip("the kernel has no 9p: ", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, rig.LastLog(k, 5))
	}
	return k.Chroot(m.Fd), m
}

// gone unmounts, and finds that nothing is left.
func gone(t *testing.T, m *Mount) {
	t.Helper()
	m.k.CloseFd(m.Fd)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Deadline)
	defer cancel()
	if err := m.Wait(ctx); err != nil {
		t.Error(err)
	}
	if n := opened.Load(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// same compares what the kernel sees with the host.
func same(t *testing.T, v *lkl.View, dir, host string) (files int) {
	t.Helper()
	fd, err := v.Open(dir+"/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Errorf("%s: %v", dir, err)
		return 0
	}
	defer v.CloseFd(fd)
	want, err := os.ReadDir(host)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for e, err := range v.ReadDir(fd, unix.STATX_BASIC_STATS, lkl.READDIR_LINK) {
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			break
		}
		seen++
		name := filepath.Join(host, e.Name)
		st := lstat(t, name)
		s := e.Stat
		if uint32(s.Mode) != st.Mode || s.Uid != st.Uid || s.Gid != st.Gid || s.Nlink != uint32(st.Nlink) ||
			s.Size != uint64(st.Size) || s.Blocks != uint64(st.Blocks) || s.Mtime.Sec != st.Mtim.Sec || int64(s.Mtime.Nsec) != st.Mtim.Nsec {
			t.Errorf("%s: %+v, want %+v", name, s, st)
		}
		path := dir + "/" + e.Name
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			files += same(t, v, path, name)
		case unix.S_IFLNK:
			if to, _ := os.Readlink(name); to != e.Link {
				t.Errorf("%s leads to %q, want %q", name, e.Link, to)
			}
		case unix.S_IFREG:
			if st.Size > 1<<30 {
				break
			}
			text, err := v.ReadFile(path, 1<<30)
			want, _ := os.ReadFile(name)
			if err != nil || string(text) != string(want) {
				t.Errorf("%s: other contents, %v", name, err)
			}
		case unix.S_IFCHR, unix.S_IFBLK:
			if s.Rdev_major != unix.Major(uint64(st.Rdev)) || s.Rdev_minor != unix.Minor(uint64(st.Rdev)) {
				t.Errorf("%s is device %d:%d", name, s.Rdev_major, s.Rdev_minor)
			}
		}
		files++
	}
	if seen != len(want) {
		t.Errorf("%s has %d entries, want %d", host, seen, len(want))
	}
	return files
}

// TestKernelReads has the kernel's own client read everything that is odd.
func TestKernelReads(t *testing.T) {
	k := rig.Boot(t, nil)
	dir := t.TempDir()
	if err := testimg.WriteTree(dir, testimg.OddTree()); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, strings.Repeat("é", 127)+"x"), []byte("long"), 0o640)
	unix.Mkfifo(dir+"/fifo", 0o600)
	big, err := os.Create(dir + "/5GB")
	if err != nil {
		t.Fatal(err)
	}
	big.WriteAt([]byte("end"), 5<<30)
	big.Close()
	for i := range 300 {
		os.MkdirAll(dir+"/many", 0o755)
		os.WriteFile(fmt.Sprint(dir, "/many/", i), nil, 0o600)
	}
	for _, o := range []Options{{ReadOnly: true}, {}} {
		v, m := mountIn(t, k, dir, o)
		fd, err := v.Open("/5GB", unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 10)
		if n, err := v.Pread(fd, p, 5<<30-3); string(p[:max(n, 0)]) != "\x00\x00\x00end" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		v.CloseFd(fd)
		if n := same(t, v, "", dir); n < 320 {
			t.Errorf("only %d files", n)
		}
		if fd, err = v.Open("/many/0", unix.O_WRONLY, 0); (err == unix.EROFS) != o.ReadOnly {
			t.Error(err)
		} else if err == nil {
			v.CloseFd(fd)
		}
		if st := (unix.Statfs_t{}); v.Statfs("/", &st) != nil || st.Type != fsMagic || st.Blocks == 0 {
			t.Errorf("%+v", st)
		}
		gone(t, m)
	}
}

// TestKernelChanges has the kernel change what the host then sees.
func TestKernelChanges(t *testing.T) {
	k := rig.Boot(t, nil)
	dir := t.TempDir()
	v, m := mountIn(t, k, dir, Options{})
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("mkdir", v.Mkdirat(unix.AT_FDCWD, "/d", 0o751))
	fd, err := v.Open("/d/f", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	data := testimg.Pattern(5<<20+77, 1)
	if n, err := v.Write(fd, data); n != len(data) || err != nil {
		t.Error(n, err)
	}
	check("fsync", v.Fsync(fd))
	if got, err := os.ReadFile(dir + "/d/f"); err != nil || string(got) != string(data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// It is removed while it is open.
	check("unlink", v.Unlinkat(unix.AT_FDCWD, "/d/f", 0))
	var st unix.Statx_t
	if err := v.Fstatx(fd, unix.STATX_BASIC_STATS, &st); err != nil || st.Nlink != 0 || st.Size != uint64(len(data)) {
		t.Errorf("%+v, %v", st, err)
	}
	check("ftruncate", v.Ftruncate(fd, 100))
	p := make([]byte, 200)
	if n, err := v.Pread(fd, p, 0); n != 100 || string(p[:100]) != string(data[:100]) || err != nil {
		t.Error(n, err)
	}
	check("close", v.CloseFd(fd))
	check("symlink", v.Symlinkat("../../..", unix.AT_FDCWD, "/d/l"))
	check("mknod", v.Mknodat(unix.AT_FDCWD, "/d/p", unix.S_IFIFO|0o600, 0))
	if err := v.Mknodat(unix.AT_FDCWD, "/d/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != unix.EPERM {
		t.Errorf("a device: %v", err)
	}
	if fd, err = v.Open("/f", unix.O_CREAT|unix.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := v.Pwrite(fd, []byte("end"), 5<<30); n != 3 || err != nil {
		t.Error(n, err)
	}
	check("close", v.CloseFd(fd))
	check("link", v.Linkat(unix.AT_FDCWD, "/f", unix.AT_FDCWD, "/d/f2", 0))
	check("rename", v.Renameat(unix.AT_FDCWD, "/f", unix.AT_FDCWD, "/d/f"))
	check("rename", v.Renameat(unix.AT_FDCWD, "/d", unix.AT_FDCWD, "/e"))
	check("chmod", v.Fchmodat(unix.AT_FDCWD, "/e/f", 0o644, 0))
	if err := v.Fchmodat(unix.AT_FDCWD, "/e/f", 0o4755, 0); err != unix.EPERM {
		t.Errorf("set-user-ID: %v", err)
	}
	check("utimes", v.UtimesNanoAt(unix.AT_FDCWD, "/e/f", []unix.Timespec{{Sec: 1}, {Sec: 3}}, 0))
	if err := v.Setxattr("/e/f", "user.x", []byte("value"), 0); err != unix.EOPNOTSUPP {
		check("setxattr", err)
		if n, err := unix.Getxattr(dir+"/e/f", "user.x", p); err != nil || string(p[:n]) != "value" {
			t.Errorf("%q, %v", p[:max(n, 0)], err)
		}
		if n, err := v.Listxattr("/e/f", p); err != nil || string(p[:n]) != "user.x\x00" {
			t.Errorf("%q, %v", p[:max(n, 0)], err)
		}
		check("utimes", v.UtimesNanoAt(unix.AT_FDCWD, "/e/f", []unix.Timespec{{Sec: 1}, {Sec: 3}}, 0))
	}
	if st := lstat(t, dir+"/e/f"); st.Mode != unix.S_IFREG|0o644 || st.Nlink != 2 || st.Size != 5<<30+3 || st.Blocks > 64 || st.Mtim != (unix.Timespec{Sec: 3}) {
		t.Errorf("%+v", st)
	}
	if n := same(t, v, "/e", dir+"/e"); n != 4 {
		t.Errorf("%d files", n)
	}
	check("unlink", v.Unlinkat(unix.AT_FDCWD, "/e/p", 0))
	if err := v.Unlinkat(unix.AT_FDCWD, "/e", unix.AT_REMOVEDIR); err != unix.ENOTEMPTY {
		t.Error(err)
	}
	// What the host makes is seen when it is looked for.
	os.WriteFile(dir+"/host", []byte("one"), 0o600)
	if text, err := v.ReadFile("/host", 100); string(text) != "one" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	os.WriteFile(dir+"/host", []byte("changed"), 0o600)
	if text, err := v.ReadFile("/host", 100); string(text) != "changed" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	// What was not synced is there in the end.
	if fd, err = v.Open("/late", unix.O_CREAT|unix.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	v.Write(fd, data)
	v.CloseFd(fd)
	gone(t, m)
	if got, err := os.ReadFile(dir + "/late"); err != nil || string(got) != string(data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestKernelMessages has a kernel with little memory read and write several files at once, by
// messages of different sizes.
func TestKernelMessages(t *testing.T) {
	const files, size = 3, 6<<20 + 5
	for _, message := range []int{minMessage, 16 << 10, mountMessage, 2 * mountMessage} {
		t.Run(fmt.Sprint(message), func(t *testing.T) {
			k := rig.Boot(t, &lkl.Config{Memory: lkl.MinMemory})
			dir := t.TempDir()
			d, err := Open(dir, Options{})
			rig.Check(t, "open", err)
			t.Cleanup(func() { d.Close() })
			m, err := d.mount(k, message)
			if errors.Is(err, unix.ENODEV) {
				t.Skip("the kernel has no 9p: ", err)
			}
			rig.Check(t, "mount", err)
			v := k.Chroot(m.Fd)
			var wg sync.WaitGroup
			for i := range files {
				wg.Go(func() {
					data, name := testimg.Pattern(size, uint64(i)), fmt.Sprint("/", i)
					fd, err := v.Open(name, unix.O_CREAT|unix.O_WRONLY, 0o600)
					if err != nil {
						t.Error(err)
						return
					}
					if n, err := v.Write(fd, data); n != size || err != nil {
						t.Errorf("written: %d, %v", n, err)
					}
					if err := v.CloseFd(fd); err != nil {
						t.Error(err)
					}
					if got, err := v.ReadFile(name, size+1); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%d of %d bytes, %v", len(got), size, err)
					}
					if got, err := os.ReadFile(dir + name); err != nil || !bytes.Equal(got, data) {
						t.Errorf("on the host, %d of %d bytes, %v", len(got), size, err)
					}
				})
			}
			wg.Wait()
			gone(t, m)
		})
	}
}

// TestKernelOwners makes files as other users of the guest.
func TestKernelOwners(t *testing.T) {
	testimg.NeedRoot(t)
	k := rig.Boot(t, nil)
	for _, o := range []Owners{AsHost, AsRoot} {
		dir := t.TempDir()
		os.Chmod(dir, 0o777)
		v, m := mountIn(t, k, dir, Options{Owners: o})
		user, err := v.As(lkl.Identity{UID: 1000, GID: 1001})
		if err != nil {
			t.Fatal(err)
		}
		if err := user.Mkdirat(unix.AT_FDCWD, "/d", 0o755); err != nil {
			t.Fatal(err)
		}
		st := lstat(t, dir+"/d")
		if want := map[Owners]uint32{AsHost: 1000}[o]; st.Uid != want {
			t.Errorf("owners %d: %d", o, st.Uid)
		}
		gone(t, m)
	}
}

// TestKernelEnd kills a kernel that has files open.
func TestKernelEnd(t *testing.T) {
	k := rig.Boot(t, nil)
	dir := t.TempDir()
	v, m := mountIn(t, k, dir, Options{})
	if _, err := v.Open("/f", unix.O_CREAT|unix.O_RDWR, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := opened.Load(); n == 0 {
		t.Error("nothing is open")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := m.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
	k.Kill()
	if err := m.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if n := opened.Load(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}
