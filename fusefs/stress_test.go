package fusefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A stressTree is what random operations are made on: a directory of the host, or a tree of the
// engine. Paths are relative to it.
type stressTree interface {
	open(name string, flags int, mode uint32) (int, error)
	closeFd(fd int) error
	pread(fd int, p []byte, off int64) (int, error)
	pwrite(fd int, p []byte, off int64) (int, error)
	ftruncate(fd int, size int64) error
	fallocate(fd int, mode uint32, off, n int64) error
	fsync(fd int) error
	copyRange(from int, roff int64, to int, woff int64, n int) (int, error)
	statx(name string, st *unix.Statx_t) error
	fstatx(fd int, st *unix.Statx_t) error
	mkdir(name string, mode uint32) error
	mknod(name string, mode uint32) error
	unlink(name string, flags int) error
	rename(from, to string, flags uint) error
	link(from, to string) error
	symlink(target, name string) error
	readlink(name string) (string, error)
	chmod(name string, mode uint32) error
	setxattr(name, attr string, value []byte) error
	getxattr(name, attr string) ([]byte, error)
	removexattr(name, attr string) error
	names(dir string) ([]string, error)
}

// A hostTree is a directory of the host.
type hostTree string

func (t hostTree) at(name string) string { return path.Join(string(t), name) }
func (t hostTree) open(name string, flags int, mode uint32) (int, error) {
	return unix.Open(t.at(name), flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
}
func (t hostTree) closeFd(fd int) error                            { return unix.Close(fd) }
func (t hostTree) pread(fd int, p []byte, off int64) (int, error)  { return unix.Pread(fd, p, off) }
func (t hostTree) pwrite(fd int, p []byte, off int64) (int, error) { return unix.Pwrite(fd, p, off) }
func (t hostTree) ftruncate(fd int, size int64) error              { return unix.Ftruncate(fd, size) }
func (t hostTree) fallocate(fd int, mode uint32, off, n int64) error {
	return unix.Fallocate(fd, mode, off, n)
}
func (t hostTree) fsync(fd int) error { return unix.Fsync(fd) }
func (t hostTree) copyRange(from int, roff int64, to int, woff int64, n int) (int, error) {
	return unix.CopyFileRange(from, &roff, to, &woff, n, 0)
}
func (t hostTree) statx(name string, st *unix.Statx_t) error {
	return unix.Statx(unix.AT_FDCWD, t.at(name), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, st)
}
func (t hostTree) fstatx(fd int, st *unix.Statx_t) error {
	return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, st)
}
func (t hostTree) mkdir(name string, mode uint32) error { return unix.Mkdir(t.at(name), mode) }
func (t hostTree) mknod(name string, mode uint32) error { return unix.Mknod(t.at(name), mode, 0) }
func (t hostTree) unlink(name string, flags int) error {
	return unix.Unlinkat(unix.AT_FDCWD, t.at(name), flags)
}
func (t hostTree) rename(from, to string, flags uint) error {
	return unix.Renameat2(unix.AT_FDCWD, t.at(from), unix.AT_FDCWD, t.at(to), flags)
}
func (t hostTree) link(from, to string) error {
	return unix.Linkat(unix.AT_FDCWD, t.at(from), unix.AT_FDCWD, t.at(to), 0)
}
func (t hostTree) symlink(target, name string) error { return unix.Symlink(target, t.at(name)) }
func (t hostTree) readlink(name string) (string, error) {
	b := make([]byte, 4096)
	n, err := unix.Readlink(t.at(name), b)
	return string(b[:max(n, 0)]), err
}
func (t hostTree) chmod(name string, mode uint32) error { return unix.Chmod(t.at(name), mode) }
func (t hostTree) setxattr(name, attr string, value []byte) error {
	return unix.Lsetxattr(t.at(name), attr, value, 0)
}
func (t hostTree) getxattr(name, attr string) ([]byte, error) {
	b := make([]byte, 4096)
	n, err := unix.Lgetxattr(t.at(name), attr, b)
	return b[:max(n, 0)], err
}
func (t hostTree) removexattr(name, attr string) error { return unix.Lremovexattr(t.at(name), attr) }
func (t hostTree) names(dir string) ([]string, error) {
	// Not os.Open, which does more than ask for a directory.
	fd, err := unix.Open(t.at(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	return f.Readdirnames(-1)
}

// An engineTree is a tree of the engine, without a mount of the host.
type engineTree struct{ v *lkl.View }

func (t engineTree) at(name string) string { return path.Join("/", name) }
func (t engineTree) open(name string, flags int, mode uint32) (int, error) {
	return t.v.Open(t.at(name), flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
}
func (t engineTree) closeFd(fd int) error                            { return t.v.CloseFd(fd) }
func (t engineTree) pread(fd int, p []byte, off int64) (int, error)  { return t.v.Pread(fd, p, off) }
func (t engineTree) pwrite(fd int, p []byte, off int64) (int, error) { return t.v.Pwrite(fd, p, off) }
func (t engineTree) ftruncate(fd int, size int64) error              { return t.v.Ftruncate(fd, size) }
func (t engineTree) fallocate(fd int, mode uint32, off, n int64) error {
	return t.v.Fallocate(fd, mode, off, n)
}
func (t engineTree) fsync(fd int) error { return t.v.Fsync(fd) }
func (t engineTree) copyRange(from int, roff int64, to int, woff int64, n int) (int, error) {
	return t.v.CopyFileRange(from, &roff, to, &woff, n, 0)
}
func (t engineTree) statx(name string, st *unix.Statx_t) error {
	return t.v.Statx(unix.AT_FDCWD, t.at(name), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, st)
}
func (t engineTree) fstatx(fd int, st *unix.Statx_t) error {
	return t.v.Fstatx(fd, unix.STATX_BASIC_STATS, st)
}
func (t engineTree) mkdir(name string, mode uint32) error {
	return t.v.Mkdirat(unix.AT_FDCWD, t.at(name), mode)
}
func (t engineTree) mknod(name string, mode uint32) error {
	return t.v.Mknodat(unix.AT_FDCWD, t.at(name), mode, 0)
}
func (t engineTree) unlink(name string, flags int) error {
	return t.v.Unlinkat(unix.AT_FDCWD, t.at(name), flags)
}
func (t engineTree) rename(from, to string, flags uint) error {
	return t.v.Renameat2(unix.AT_FDCWD, t.at(from), unix.AT_FDCWD, t.at(to), flags)
}
func (t engineTree) link(from, to string) error {
	return t.v.Linkat(unix.AT_FDCWD, t.at(from), unix.AT_FDCWD, t.at(to), 0)
}
func (t engineTree) symlink(target, name string) error {
	return t.v.Symlinkat(target, unix.AT_FDCWD, t.at(name))
}
func (t engineTree) readlink(name string) (string, error) {
	return t.v.Readlink(unix.AT_FDCWD, t.at(name))
}
func (t engineTree) chmod(name string, mode uint32) error {
	return t.v.Fchmodat(unix.AT_FDCWD, t.at(name), mode, 0)
}
func (t engineTree) setxattr(name, attr string, value []byte) error {
	return t.v.Lsetxattr(t.at(name), attr, value, 0)
}
func (t engineTree) getxattr(name, attr string) ([]byte, error) {
	b := make([]byte, 4096)
	n, err := t.v.Lgetxattr(t.at(name), attr, b)
	return b[:max(n, 0)], err
}
func (t engineTree) removexattr(name, attr string) error {
	return t.v.Lremovexattr(t.at(name), attr)
}
func (t engineTree) names(dir string) (names []string, err error) {
	fd, err := t.v.Open(t.at(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer t.v.CloseFd(fd)
	for e, err := range t.v.ReadDir(fd, unix.STATX_TYPE, 0) {
		if err != nil {
			return names, err
		}
		names = append(names, e.Name)
	}
	return names, nil
}

// A stress makes the same random operations on two trees, and compares what comes of each.
type stress struct {
	t       *testing.T
	r       *rand.Rand
	dir     string
	trees   [2]stressTree // what is tested, and what is believed
	handles [][2]int
	log     []string
}

// stressNames are few, so that operations meet; one is as long as it can be.
var stressNames = []string{"a", "b", "c", "d", "e", "f\xffg", "h\ni", strings.Repeat("n", 255)}

// randomPath returns a path of up to three of them.
func (s *stress) randomPath() string {
	p := s.dir
	for range 1 + s.r.IntN(3) {
		p += "/" + stressNames[s.r.IntN(len(stressNames))]
	}
	return p
}

// both does something to both trees, and compares the errors.
func (s *stress) both(what string, do func(i int, t stressTree) error) bool {
	s.log = append(s.log, what)
	got, want := errnoOf(do(0, s.trees[0])), errnoOf(do(1, s.trees[1]))
	if got != want && !(errors.Is(got, unix.EOPNOTSUPP) || errors.Is(want, unix.EOPNOTSUPP)) {
		s.fail("%v, want %v", got, want)
	}
	return got == nil && want == nil
}

// errnoOf returns the number in an error, if there is one.
func errnoOf(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err
	}
	if errno == unix.EEXIST {
		return unix.ENOTEMPTY // as XFS calls a directory that is not empty, which POSIX allows
	}
	return errno
}

func (s *stress) fail(format string, args ...any) {
	s.t.Errorf(format, args...)
	s.t.Errorf("after:\n%s", strings.ReplaceAll(strings.Join(s.log[max(0, len(s.log)-25):], "\n"), stressNames[len(stressNames)-1], "nnn"))
	runtime.Goexit()
}

func (s *stress) step() {
	r := s.r
	p := s.randomPath()
	switch op := r.IntN(100); {
	case op < 12:
		flags, mode := unix.O_RDWR|unix.O_CREAT|[]int{0, 0, unix.O_EXCL, unix.O_TRUNC}[r.IntN(4)], uint32(r.IntN(0o1000))
		mode |= 0o600
		var fds [2]int
		if s.both(fmt.Sprintf("open %q %x %o", p, flags, mode), func(i int, t stressTree) (err error) {
			fds[i], err = t.open(p, flags, mode)
			return err
		}) {
			s.keep(fds)
		}
	case op < 18:
		s.both(fmt.Sprintf("mkdir %q", p), func(_ int, t stressTree) error { return t.mkdir(p, 0o755) })
	case op < 20:
		s.both(fmt.Sprintf("mknod %q", p), func(_ int, t stressTree) error { return t.mknod(p, unix.S_IFSOCK|0o600) })
	case op < 27:
		s.both(fmt.Sprintf("unlink %q", p), func(_ int, t stressTree) error { return t.unlink(p, 0) })
	case op < 31:
		s.both(fmt.Sprintf("rmdir %q", p), func(_ int, t stressTree) error { return t.unlink(p, unix.AT_REMOVEDIR) })
	case op < 41:
		q, flags := s.randomPath(), []uint{0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE}[r.IntN(4)]
		s.both(fmt.Sprintf("rename %q %q %d", p, q, flags), func(_ int, t stressTree) error { return t.rename(p, q, flags) })
	case op < 47:
		q := s.randomPath()
		s.both(fmt.Sprintf("link %q %q", p, q), func(_ int, t stressTree) error { return t.link(p, q) })
	case op < 50:
		target := stressNames[r.IntN(4)]
		s.both(fmt.Sprintf("symlink %q", p), func(_ int, t stressTree) error { return t.symlink(target, p) })
	case op < 54:
		mode := uint32(r.IntN(0o10000)) | 0o700
		s.both(fmt.Sprintf("chmod %q %o", p, mode), func(_ int, t stressTree) error {
			var st unix.Statx_t
			if err := t.statx(p, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK {
				return err
			}
			return t.chmod(p, mode)
		})
	case op < 58:
		attr, value := fmt.Sprintf("user.%d", r.IntN(3)), testimg.Pattern(r.IntN(200), r.Uint64())
		s.both(fmt.Sprintf("setxattr %q %s", p, attr), func(_ int, t stressTree) error { return t.setxattr(p, attr, value) })
	case op < 60:
		attr := fmt.Sprintf("user.%d", r.IntN(3))
		s.both(fmt.Sprintf("removexattr %q %s", p, attr), func(_ int, t stressTree) error { return t.removexattr(p, attr) })
	case op < 66:
		s.compare(p)
	case op < 69:
		s.list(p)
	default:
		s.onHandle(op)
	}
}

// keep keeps an open file, and closes others.
func (s *stress) keep(fds [2]int) {
	s.handles = append(s.handles, fds)
	if len(s.handles) > 8 {
		i := s.r.IntN(len(s.handles))
		s.closeHandle(s.handles[i])
		s.handles = slices.Delete(s.handles, i, i+1)
	}
}

func (s *stress) closeHandle(fds [2]int) {
	s.both("close", func(i int, t stressTree) error { return t.closeFd(fds[i]) })
}

// maxStress is how large files become.
const maxStress = 300 << 10

// onHandle does something with a file that is open, whatever has become of its name.
func (s *stress) onHandle(op int) {
	if len(s.handles) == 0 {
		return
	}
	r := s.r
	fds := s.handles[r.IntN(len(s.handles))]
	off, n := int64(r.IntN(maxStress)), 1+r.IntN(100<<10)
	if r.IntN(3) == 0 {
		n = 1 + r.IntN(100)
	}
	switch {
	case op < 78:
		data := testimg.Pattern(n, r.Uint64())
		s.both(fmt.Sprintf("write %v %d+%d", fds, off, n), func(i int, t stressTree) error {
			m, err := t.pwrite(fds[i], data, off)
			if err == nil && m != n {
				err = fmt.Errorf("%d bytes written", m)
			}
			return err
		})
	case op < 88:
		var data [2][]byte
		s.both(fmt.Sprintf("read %v %d+%d", fds, off, n), func(i int, t stressTree) error {
			data[i] = make([]byte, n)
			m, err := t.pread(fds[i], data[i], off)
			data[i] = data[i][:max(m, 0)]
			return err
		})
		if !bytes.Equal(data[0], data[1]) {
			s.fail("%d bytes read, %d wanted, or they differ", len(data[0]), len(data[1]))
		}
	case op < 91:
		s.both(fmt.Sprintf("truncate %v %d", fds, off), func(i int, t stressTree) error { return t.ftruncate(fds[i], off) })
	case op < 94:
		mode := []uint32{0, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_KEEP_SIZE}[r.IntN(4)]
		supported := true
		what := fmt.Sprintf("fallocate %v %x %d+%d", fds, mode, off, n)
		s.log = append(s.log, what)
		// What one of both cannot do is not done by the other.
		for i, t := range s.trees {
			if err := t.fallocate(fds[i], mode, 0, 1); errors.Is(err, unix.EOPNOTSUPP) {
				supported = false
			}
		}
		if !supported {
			// The trial may have changed the other one.
			s.both("zero", func(i int, t stressTree) error { _, err := t.pwrite(fds[i], []byte{0}, 0); return err })
			return
		}
		s.both(what, func(i int, t stressTree) error { return t.fallocate(fds[i], mode, off, int64(n)) })
	case op < 96:
		to := s.handles[r.IntN(len(s.handles))]
		woff := int64(r.IntN(maxStress))
		if to == fds {
			return
		}
		s.both(fmt.Sprintf("copy %v %d to %v %d+%d", fds, off, to, woff, n), func(i int, t stressTree) error {
			return copyAll(t, fds[i], off, to[i], woff, n)
		})
	case op < 97 && r.IntN(10) == 0: // it takes its time
		s.both(fmt.Sprintf("fsync %v", fds), func(i int, t stressTree) error { return t.fsync(fds[i]) })
	default:
		var st [2]unix.Statx_t
		if s.both(fmt.Sprintf("fstat %v", fds), func(i int, t stressTree) error { return t.fstatx(fds[i], &st[i]) }) {
			s.same(&st[0], &st[1])
		}
	}
}

// copyAll copies as copy_file_range(2) does until nothing comes: it may do less at a time.
func copyAll(t stressTree, from int, roff int64, to int, woff int64, n int) error {
	for n > 0 {
		m, err := t.copyRange(from, roff, to, woff, n)
		// The two may be one file under two descriptors.
		if errors.Is(err, unix.EINVAL) {
			return nil
		}
		if err != nil || m == 0 {
			return err
		}
		roff, woff, n = roff+int64(m), woff+int64(m), n-m
	}
	return nil
}

// same compares metadata.
func (s *stress) same(got, want *unix.Statx_t) {
	if got.Mode != want.Mode || got.Uid != want.Uid || got.Gid != want.Gid ||
		got.Mode&unix.S_IFMT != unix.S_IFDIR && (got.Size != want.Size || got.Nlink != want.Nlink) {
		s.fail("mode %o size %d links %d owner %d:%d, want %o, %d, %d, %d:%d", got.Mode, got.Size, got.Nlink, got.Uid, got.Gid,
			want.Mode, want.Size, want.Nlink, want.Uid, want.Gid)
	}
}

// compare compares all of a file.
func (s *stress) compare(p string) {
	var st [2]unix.Statx_t
	if !s.both(fmt.Sprintf("stat %q", p), func(i int, t stressTree) error { return t.statx(p, &st[i]) }) {
		return
	}
	s.same(&st[0], &st[1])
	for _, attr := range []string{"user.0", "user.1", "user.2"} {
		var v [2][]byte
		s.both("getxattr "+attr, func(i int, t stressTree) (err error) { v[i], err = t.getxattr(p, attr); return err })
		if !bytes.Equal(v[0], v[1]) {
			s.fail("%s of %q is %x, want %x", attr, p, v[0], v[1])
		}
	}
	switch st[0].Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		var to [2]string
		s.both("readlink", func(i int, t stressTree) (err error) { to[i], err = t.readlink(p); return err })
		if to[0] != to[1] {
			s.fail("%q leads to %q, want %q", p, to[0], to[1])
		}
	case unix.S_IFREG:
		var data [2][]byte
		s.both("content", func(i int, t stressTree) (err error) {
			fd, err := t.open(p, unix.O_RDONLY, 0)
			if err != nil {
				return err
			}
			defer t.closeFd(fd)
			data[i] = make([]byte, st[i].Size+10)
			n, err := t.pread(fd, data[i], 0)
			data[i] = data[i][:max(n, 0)]
			return err
		})
		if !bytes.Equal(data[0], data[1]) {
			s.fail("the content of %q differs", p)
		}
	}
}

// list compares the names in a directory.
func (s *stress) list(p string) {
	var names [2][]string
	if s.both(fmt.Sprintf("list %q", p), func(i int, t stressTree) (err error) { names[i], err = t.names(p); return err }) {
		slices.Sort(names[0])
		slices.Sort(names[1])
		if !slices.Equal(names[0], names[1]) {
			s.fail("%q has %q, want %q", p, names[0], names[1])
		}
	}
}

// walk compares everything.
func (s *stress) walk(p string) {
	s.list(p)
	names, err := s.trees[1].names(p)
	if err != nil {
		s.fail("%v", err)
	}
	for _, name := range names {
		q := path.Join(p, name)
		s.compare(q)
		var st unix.Statx_t
		if s.trees[1].statx(q, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			s.walk(q)
		}
	}
}

// run makes n operations and compares everything at the end.
func (s *stress) run(n int) {
	defer func() {
		for _, fds := range s.handles {
			for i, t := range s.trees {
				if err := t.closeFd(fds[i]); err != nil {
					s.t.Error(err)
				}
			}
		}
	}()
	for range n {
		s.step()
	}
	s.walk(s.dir)
}

// runStress makes n operations by each of several goroutines, which have a directory each.
func runStress(t *testing.T, ours stressTree, n int) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	theirs := hostTree(t.TempDir())
	var wg sync.WaitGroup
	for g := range 3 {
		s := &stress{t: t, r: rand.New(rand.NewPCG(uint64(testimg.Seed(t)), uint64(g))), dir: fmt.Sprint("dir", g), trees: [2]stressTree{ours, theirs}}
		if !s.both("start", func(_ int, t stressTree) error { return t.mkdir(s.dir, 0o755) }) {
			t.FailNow()
		}
		wg.Go(func() {
			s.run(n)
		})
	}
	wg.Wait()
}

// TestStress makes random operations on the mount, and on the engine without one, and compares each
// with the host's own file system. UNBOOT_PROGRAMS multiplies
// their number, which is 1000 in each of three directories at a time.
func TestStress(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fstype+"/mount", func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
			t.Run("", func(t *testing.T) {
				runStress(t, hostTree(mount(t, image, nil, unboot.Writable())), testimg.Count(t, 1)*1000)
			})
			testimg.Fsck(t, fstype, image)
		})
		t.Run(fstype+"/engine", func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
			t.Run("", func(t *testing.T) {
				fsys := open(t, image, unboot.Writable())
				runStress(t, engineTree{fsys.View()}, testimg.Count(t, 1)*1000)
			})
			testimg.Fsck(t, fstype, image)
		})
	}
}
