package fusefs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/fusefs"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A large directory has each of its names once, read from anywhere, while files in it come and go.
func TestLargeDirectory(t *testing.T) {
	const files = 5000
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	t.Run("write", func(t *testing.T) {
		dir := filepath.Join(mount(t, image, nil, unboot.Writable()), "large")
		must(t, os.Mkdir(dir, 0o755))
		for i := range files {
			must(t, unix.Mknod(filepath.Join(dir, fmt.Sprintf("file-%05d", i)), unix.S_IFREG|0o644, 0))
		}
		checkDirectory(t, dir, files)
		// Those that stay are listed once while others are removed.
		f, err := os.Open(dir)
		must(t, err)
		defer f.Close()
		seen := map[string]int{}
		for i := 0; ; i++ {
			names, err := f.Readdirnames(100)
			if err != nil {
				break
			}
			for _, name := range names {
				seen[name]++
			}
			must(t, os.Remove(filepath.Join(dir, fmt.Sprintf("file-%05d", 2*i))))
		}
		for i := 1; i < files; i += 2 {
			if name := fmt.Sprintf("file-%05d", i); seen[name] != 1 {
				t.Fatalf("%s was listed %d times", name, seen[name])
			}
		}
	})
	t.Run("read", func(t *testing.T) {
		dir := filepath.Join(mount(t, image, nil), "large")
		list, err := os.ReadDir(dir)
		must(t, err)
		checkDirectory(t, dir, len(list))
	})
}

// checkDirectory reads a directory from each position in it that the host was told.
func checkDirectory(t *testing.T, dir string, n int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	var all []string
	type place struct {
		pos  int64
		next int // how many names come before
	}
	places := []place{}
	buf := make([]byte, 4096)
	for {
		pos, err := unix.Seek(fd, 0, unix.SEEK_CUR)
		must(t, err)
		places = append(places, place{pos, len(all)})
		k, err := unix.ReadDirent(fd, buf)
		must(t, err)
		if k == 0 {
			break
		}
		_, _, all = unix.ParseDirent(buf[:k], -1, all)
	}
	if len(all) != n {
		t.Fatalf("%d names, want %d", len(all), n)
	}
	sorted := slices.Sorted(slices.Values(all))
	if len(slices.Compact(sorted)) != n {
		t.Error("a name comes twice")
	}
	slices.Reverse(places)
	for i, p := range places {
		if i%7 != 0 {
			continue
		}
		if _, err := unix.Seek(fd, p.pos, unix.SEEK_SET); err != nil {
			t.Fatal(err)
		}
		k, err := unix.ReadDirent(fd, buf)
		must(t, err)
		var some []string
		_, _, some = unix.ParseDirent(buf[:k], -1, some)
		if !slices.Equal(some, all[p.next:p.next+len(some)]) || len(some) == 0 && p.next != n {
			t.Errorf("%d names at %d, the first %.1q, want %.1q", len(some), p.pos, some, all[p.next:])
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A full disk is ENOSPC of the write that it is too small for, and what was written before is whole.
func TestFullDisk(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 32 << 20}))
	t.Run("", func(t *testing.T) {
		dir := mount(t, image, nil, unboot.Writable())
		f, err := os.Create(filepath.Join(dir, "file"))
		must(t, err)
		defer f.Close()
		n := 0
		for {
			m, err := f.Write(testimg.Pattern(100<<10, uint64(n)))
			n += m
			if errors.Is(err, unix.ENOSPC) {
				break
			}
			must(t, err)
			if n > 64<<20 {
				t.Fatal("more than there is room for")
			}
		}
		if st, err := f.Stat(); err != nil || st.Size() != int64(n) {
			t.Errorf("size %d, want %d, %v", st.Size(), n, err)
		}
		// There is room again.
		must(t, os.Remove(f.Name()))
		f.Close()
		for try := 0; ; try++ {
			// The host tells of the end of a file a little later.
			err := os.WriteFile(filepath.Join(dir, "other"), testimg.Pattern(8<<20, 1), 0o644)
			if err == nil {
				break
			}
			if try == 100 {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	testimg.Fsck(t, "ext4", image)
}

// When the image's kernel ends, calls fail with EIO, the log says why, and the directory can
// be unmounted.
func TestDeadKernel(t *testing.T) {
	img, err := unboot.Open(context.Background(), testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	must(t, err)
	defer img.Close() // which says that the kernel has ended
	fsys, err := img.MountAuto()
	must(t, err)
	dir := t.TempDir()
	logged := make(chan error, 10)
	m, err := fusefs.Mount(context.Background(), fsys, dir, &fusefs.Options{Log: func(err error) { logged <- err }})
	if errors.Is(err, fusefs.ErrNoFUSE) {
		t.Skip(err)
	}
	must(t, err)
	f, err := os.Open(filepath.Join(dir, "contents", "one"))
	must(t, err)
	defer f.Close()
	img.Kernel().Kill()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := os.ReadFile(filepath.Join(dir, "contents", "large")); !errors.Is(err, unix.EIO) {
				t.Errorf("read: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "never", "asked", "for")); !errors.Is(err, unix.EIO) {
				t.Errorf("stat: %v", err)
			}
		})
	}
	wg.Wait()
	if len(logged) != 1 {
		t.Errorf("%d messages", len(logged))
	}
	f.Close()
	must(t, m.Unmount())
}

// Paths that are longer than one system call takes, and names of any bytes.
func TestLongPaths(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "xfs", testimg.Options{}))
	name := strings.Repeat("d", 250)
	for _, writable := range []bool{true, false} {
		t.Run(fmt.Sprint(writable), func(t *testing.T) {
			var o []unboot.Option
			if writable {
				o = append(o, unboot.Writable())
			}
			fd, err := unix.Open(mount(t, image, nil, o...), unix.O_PATH|unix.O_DIRECTORY, 0)
			must(t, err)
			for range 40 {
				if writable {
					must(t, unix.Mkdirat(fd, name, 0o755))
				}
				next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
				must(t, err)
				unix.Close(fd)
				fd = next
			}
			defer unix.Close(fd)
			flags := unix.O_RDWR | unix.O_CREAT
			if !writable {
				flags = unix.O_RDONLY
			}
			file, err := unix.Openat(fd, "file", flags, 0o644)
			must(t, err)
			defer unix.Close(file)
			if writable {
				_, err := unix.Write(file, []byte("deep"))
				must(t, err)
				must(t, unix.Fsetxattr(file, "user.x", []byte("value"), 0))
			}
			buf := make([]byte, 10)
			if n, err := unix.Pread(file, buf, 0); err != nil || string(buf[:n]) != "deep" {
				t.Errorf("%q, %v", buf[:max(n, 0)], err)
			}
			if n, err := unix.Fgetxattr(file, "user.x", buf); err != nil || string(buf[:n]) != "value" {
				t.Errorf("%q, %v", buf[:max(n, 0)], err)
			}
			n, err := unix.ReadDirent(fd, make([]byte, 4096))
			if err != nil || n == 0 {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// A file without a name is what it was as long as it is open, and O_TMPFILE can get a name.
func TestNameless(t *testing.T) {
	for _, fstype := range []string{"ext4", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
			t.Run("", func(t *testing.T) { nameless(t, mount(t, image, nil, unboot.Writable())) })
			testimg.Fsck(t, fstype, image)
		})
	}
}

func nameless(t *testing.T, dir string) {
	path := filepath.Join(dir, "file")
	must(t, os.WriteFile(path, []byte("content"), 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("another"), 0o644))
	self := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	must(t, f.Chmod(0o640))
	must(t, unix.Fsetxattr(int(f.Fd()), "user.x", []byte("y"), 0))
	_, err = f.WriteAt([]byte("C"), 0)
	must(t, err)
	again, err := os.Open(self) // by the descriptor: it has no name
	must(t, err)
	defer again.Close()
	buf := make([]byte, 20)
	if n, _ := again.ReadAt(buf, 0); string(buf[:n]) != "Content" {
		t.Errorf("%q", buf[:n])
	}
	if n, err := unix.Fgetxattr(int(again.Fd()), "user.x", buf); err != nil || string(buf[:n]) != "y" {
		t.Errorf("%q, %v", buf[:max(n, 0)], err)
	}
	var st unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &st))
	if st.Nlink != 0 || st.Mode&0o777 != 0o640 {
		t.Errorf("%d links, mode %o", st.Nlink, st.Mode)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "another" {
		t.Errorf("%q, %v", data, err)
	}

	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	must(t, err)
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("linked"))
	must(t, err)
	named := filepath.Join(dir, "named")
	must(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, named, unix.AT_SYMLINK_FOLLOW))
	if data, err := os.ReadFile(named); err != nil || string(data) != "linked" {
		t.Errorf("%q, %v", data, err)
	}

	// A directory that is renamed while it is open, and one that is removed.
	sub := filepath.Join(dir, "sub")
	must(t, os.Mkdir(sub, 0o755))
	d, err := unix.Open(sub, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(d)
	must(t, os.Rename(sub, filepath.Join(dir, "moved")))
	must(t, unix.Mkdirat(d, "in-it", 0o755))
	must(t, os.Remove(filepath.Join(dir, "moved", "in-it")))
	must(t, os.Remove(filepath.Join(dir, "moved")))
	if err := unix.Mkdirat(d, "gone", 0o755); err != unix.ENOENT {
		t.Error(err)
	}
	must(t, unix.Fstat(d, &st))
}

// mapVariable makes these tests a program that writes to a file of this name by a memory map.
const mapVariable = "FUSEFS_TEST_MAP"

func writeMap(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := f.Truncate(1 << 20); err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(m, testimg.Pattern(1<<20, 7))
	return errors.Join(unix.Msync(m, unix.MS_SYNC), unix.Munmap(m), f.Close())
}

// A memory map that is shared and written to is in the file.
func TestSharedMap(t *testing.T) {
	for _, writeback := range []bool{false, true} {
		image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
		dir := mount(t, image, &fusefs.Options{Writeback: writeback}, unboot.Writable())
		path := filepath.Join(dir, fmt.Sprint("map", writeback))
		// By another process: one that waits for memory of its own mount waits for ever.
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), mapVariable+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil || string(data) != string(testimg.Pattern(1<<20, 7)) {
			t.Errorf("the map is not in the file, %v", err)
		}
	}
}

// Owners are shown and taken as the ranges say.
func TestOwners(t *testing.T) {
	testimg.NeedRoot(t)
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	dir := mount(t, image, &fusefs.Options{UIDs: []fusefs.IDRange{{Image: 0, Host: 1000, Count: 10}}, GIDs: []fusefs.IDRange{{Image: 5, Host: 2000, Count: 1}}}, unboot.Writable())
	var st unix.Stat_t
	must(t, unix.Stat(dir, &st))
	if st.Uid != 1000 || st.Gid != 65534 {
		t.Errorf("%d:%d", st.Uid, st.Gid)
	}
	must(t, os.Chown(dir, 1003, 2000))
	must(t, unix.Stat(dir, &st))
	if st.Uid != 1003 || st.Gid != 2000 {
		t.Errorf("%d:%d", st.Uid, st.Gid)
	}
	if err := os.Chown(dir, 5, -1); !errors.Is(err, unix.EOVERFLOW) {
		t.Error(err)
	}
}

// Who has no privileges and writes to a file takes away its set-ID bits, and everybody sees that at
// once, even if asked for nothing but the mode. Whose group is not that of the file takes away its
// set-group-ID bit by changing its access control list.
func TestSetIDs(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "setpriv", "dd", "fallocate", "setfacl")
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	dir := mount(t, image, &fusefs.Options{AllowOther: true}, unboot.Writable())
	must(t, os.Chmod(dir, 0o777))
	for p := dir; p != "/"; p = filepath.Dir(p) {
		// The test's own folders are between the root and the mount.
		if st, err := os.Stat(p); err == nil && st.Mode()&0o001 == 0 {
			must(t, os.Chmod(p, st.Mode().Perm()|0o001))
		}
	}
	for name, command := range map[string][]string{
		"write":    {"dd", "if=/dev/zero", "bs=4k", "count=1", "conv=notrunc", "of="},
		"direct":   {"dd", "if=/dev/zero", "bs=4k", "count=1", "conv=notrunc", "oflag=direct", "of="},
		"open":     {"dd", "if=/dev/zero", "bs=4k", "count=1", "of="},
		"allocate": {"fallocate", "-l", "8192", ""},
		"acl":      {"setfacl", "-m", "o::r", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			must(t, os.WriteFile(path, []byte("x"), 0o600))
			must(t, unix.Chown(path, 65534, 65533))
			must(t, unix.Chmod(path, 0o6777))
			mode := func() uint16 {
				t.Helper()
				var st unix.Statx_t
				must(t, unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MODE, &st))
				return st.Mode & 0o7777
			}
			if m := mode(); m != 0o6777 {
				t.Fatalf("mode %o at first", m)
			}
			command[len(command)-1] += path
			testimg.MustRun(t, "setpriv", append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups"}, command...)...)
			want := uint16(0o777)
			if name == "acl" {
				want = 0o4774
			}
			if m := mode(); m != want {
				t.Errorf("mode %o, want %o", m, want)
			}
		})
	}
}
