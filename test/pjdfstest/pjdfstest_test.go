// Package pjdfstest runs the scripts of pjdfstest, which test what POSIX says of files: each of
// their checks must have the result that it has with the host's own driver. They are not part of
// this project: PJDFSTEST names a checkout of them, without which the tests skip.
package pjdfstest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/fusefs"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/test/pjdfstest/words"
)

func TestMain(m *testing.M) { rig.Main(m) }

// variable names the checkout.
const variable = "PJDFSTEST"

var fstypes = []string{"ext4", "xfs", "btrfs", "f2fs"}

// A check is one line of a script's output.
type check struct {
	script string // as chmod/00.t
	n      int
}

// An outcome is what became of the checks of all scripts: the text after "ok" or "not ok".
type outcome struct {
	passed, failed map[check]string
	skipped        []string // scripts that need what no stand-in can give
	took           time.Duration
}

// suite returns the folder of the scripts and what they are called.
func suite(t *testing.T) (dir string, scripts []string) {
	t.Helper()
	top := os.Getenv(variable)
	if top == "" {
		t.Skip(variable + " does not name a checkout of pjdfstest")
	}
	dir, err := filepath.Abs(filepath.Join(top, "tests"))
	rig.Check(t, "suite", err)
	paths, _ := filepath.Glob(dir + "/*/*.t")
	for _, p := range paths {
		name, _ := filepath.Rel(dir, p)
		scripts = append(scripts, name)
	}
	if len(scripts) < 100 {
		t.Fatalf("%s: only %d scripts", dir, len(scripts))
	}
	return dir, scripts
}

// badPointer is what scripts check that pass pointers to nowhere, which never come to a file system.
var badPointer = regexp.MustCompile(`\b(NULL|DEADCODE)\b`)

// run runs all scripts. Each has a directory of its own in dir, of the host, or if socket is not
// empty, in the root of the tree that is behind that.
func run(t *testing.T, fstype, dir, socket string) *outcome {
	t.Helper()
	testimg.Need(t, "openssl", "perl")
	from, scripts := suite(t)
	// The scripts look for the program, and for their configuration, in the folders above their
	// own as the shell has come there.
	top := t.TempDir()
	rig.Check(t, "chmod", os.Chmod(top, 0o755))
	rig.Check(t, "mkdir", os.Mkdir(top+"/tests", 0o755))
	testimg.MustRun(t, "go", "build", "-o", top+"/pjdfstest", "./program")
	conf := "os=Linux\nGREP=grep\nfs=" + strings.ToUpper(fstype) + "\n"
	if socket != "" {
		conf += shell
	}
	rig.Check(t, "conf", os.WriteFile(top+"/tests/conf", []byte(conf), 0o644))
	o := &outcome{passed: map[check]string{}, failed: map[check]string{}}
	start := time.Now()
	var mu sync.Mutex
	work := make(chan string)
	var wg sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		wg.Go(func() {
			for name := range work {
				o.one(t, &mu, from, top, name, dir, socket)
			}
		})
	}
	linked := map[string]bool{}
	for _, name := range scripts {
		text, err := os.ReadFile(filepath.Join(from, name))
		rig.Check(t, "script", err)
		if badPointer.Match(text) || socket != "" && bytes.Contains(text, []byte("ETXTBSY")) {
			o.skipped = append(o.skipped, name)
			continue
		}
		if d := filepath.Dir(name); !linked[d] {
			linked[d] = true
			rig.Check(t, "link", os.Symlink(filepath.Join(from, d), filepath.Join(top, "tests", d)))
		}
		work <- name
	}
	close(work)
	wg.Wait()
	o.took = time.Since(start)
	return o
}

// shell stands in, for scripts whose files are not the host's, for what they do by other programs
// than pjdfstest's.
const shell = `
cd() {
	case "$1" in
	/*) PJDFSTEST_DIR="$1";;
	*) PJDFSTEST_DIR="$PJDFSTEST_DIR/$1";;
	esac
	export PJDFSTEST_DIR
}
pwd() { echo "$PJDFSTEST_DIR"; }
mkdir() {
	_path=""; _ifs="$IFS"; IFS=/
	for _part in $2; do
		_path="$_path$_part"
		"$fstest" mkdir "$_path" 0755 >/dev/null 2>&1
		_path="$_path/"
	done
	IFS="$_ifs"
}
rm() { :; }
ln() { $fstest symlink "$2" "$3" >/dev/null 2>&1; }
dd() {
	for _word in "$@"; do
		case "$_word" in
		of=*) $fstest open "${_word#of=}" O_CREAT,O_TRUNC,O_WRONLY 0644 : ftruncate 0 12345 >/dev/null 2>&1;;
		if=/dev/urandom) command dd "$@";;
		esac
	done
}
`

var line = regexp.MustCompile(`^(not ok|ok) (\d+)(.*)$`)

// one runs one script.
func (o *outcome) one(t *testing.T, mu *sync.Mutex, from, top, name, dir, socket string) {
	own := strings.NewReplacer("/", "-", ".", "-").Replace(name)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(top, "tests", name))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if socket != "" {
		cmd.Env = append(cmd.Env, "PJDFSTEST_SOCKET="+socket, "PJDFSTEST_DIR=/"+own)
		cmd.Dir = t.TempDir()
	} else {
		cmd.Dir = filepath.Join(dir, own)
		if err := os.Mkdir(cmd.Dir, 0o755); err != nil {
			t.Error(err)
			return
		}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Logf("%s: %v", name, err)
	}
	mu.Lock()
	defer mu.Unlock()
	want, got := 0, 0
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		text := sc.Text()
		if plan, ok := strings.CutPrefix(text, "1.."); ok {
			want, _ = strconv.Atoi(plan)
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[2])
		got++
		if m[1] == "ok" {
			o.passed[check{name, n}] = m[3]
		} else {
			o.failed[check{name, n}] = m[3]
		}
	}
	if got == 0 || want > got {
		o.failed[check{name, got + 1}] = fmt.Sprintf(" of %d, the script ended", want)
	}
}

// blank returns an image with an empty file system.
func blank(t *testing.T, fstype string) string {
	return testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
}

var (
	hostsMu sync.Mutex
	hosts   = map[string]*outcome{}
)

// host returns what the host's own driver does, or nil if it has none, or only root may ask.
func host(t *testing.T, fstype string) *outcome {
	t.Helper()
	hostsMu.Lock()
	defer hostsMu.Unlock()
	if o, ok := hosts[fstype]; ok {
		return o
	}
	if os.Geteuid() != 0 || !testimg.HostHas(fstype) {
		hosts[fstype] = nil
		return nil
	}
	hosts[fstype] = run(t, fstype, testimg.Loop(t, blank(t, fstype), fstype, "rw"), "")
	return hosts[fstype]
}

// compare fails for each check that does not do what it does on the host.
func (o *outcome) compare(t *testing.T, fstype string, known map[check]string) {
	t.Helper()
	theirs := host(t, fstype)
	t.Logf("%s: %d checks passed, %d failed, %d scripts left out, %s", fstype, len(o.passed), len(o.failed), len(o.skipped), o.took.Round(time.Second))
	if theirs != nil {
		t.Logf("%s on the host: %d passed, %d failed, %s", fstype, len(theirs.passed), len(theirs.failed), theirs.took.Round(time.Second))
	}
	if theirs != nil && len(theirs.failed) > len(theirs.passed)/100 {
		t.Errorf("%d checks fail on the host: that is more than Linux's own differences from POSIX", len(theirs.failed))
	}
	if len(o.passed) < 2000 {
		t.Errorf("only %d checks passed", len(o.passed))
	}
	order := func(a, b check) int { return cmp.Or(cmp.Compare(a.script, b.script), cmp.Compare(a.n, b.n)) }
	for _, c := range slices.SortedFunc(maps.Keys(o.failed), order) {
		what := fmt.Sprintf("%s %d%s", c.script, c.n, o.failed[c])
		if excuse := o.excuse(c, theirs, known); excuse != "" {
			t.Logf("%s: %s", excuse, what)
			continue
		}
		t.Error(what)
	}
}

// excuse returns why a check may fail, or "". theirs is what the host does, or nil if that is not
// to be had.
func (o *outcome) excuse(c check, theirs *outcome, known map[check]string) string {
	if reason := known[c]; reason != "" {
		return "known, " + reason
	}
	if theirs != nil {
		if _, ok := theirs.failed[c]; ok {
			return "as on the host"
		}
		return ""
	}
	if strings.HasPrefix(o.failed[c], " # TODO") {
		return "to do" // the suite knows that Linux does not do what POSIX says here
	}
	return ""
}

// TestExcuse: what the host does counts more than what the suite thinks of it.
func TestExcuse(t *testing.T) {
	todo, plain, shell := check{"a/00.t", 1}, check{"a/00.t", 2}, check{"a/00.t", 3}
	o := &outcome{failed: map[check]string{todo: " # TODO Linux", plain: "", shell: ""}}
	known := map[check]string{shell: "the shell"}
	for _, c := range []struct {
		theirs *outcome
		want   map[check]string
	}{
		{nil, map[check]string{todo: "to do", plain: "", shell: "known, the shell"}},
		{&outcome{passed: map[check]string{todo: " # TODO Linux", plain: ""}}, map[check]string{todo: "", plain: "", shell: "known, the shell"}},
		{&outcome{failed: map[check]string{todo: " # TODO Linux", plain: ""}}, map[check]string{todo: "as on the host", plain: "as on the host"}},
	} {
		for check, want := range c.want {
			if got := o.excuse(check, c.theirs, known); got != want {
				t.Errorf("%v, on the host %+v: %q, want %q", check, c.theirs, got, want)
			}
		}
	}
}

// TestMounted runs the scripts on the mount.
func TestMounted(t *testing.T) {
	suite(t)
	testimg.NeedRoot(t)
	for _, fstype := range fstypes {
		t.Run(fstype, func(t *testing.T) {
			fsys := open(t, blank(t, fstype))
			dir := t.TempDir()
			m, err := fusefs.Mount(context.Background(), fsys, dir, &fusefs.Options{AllowOther: true, Dev: true, Suid: true})
			if errors.Is(err, fusefs.ErrNoFUSE) {
				t.Skip(err)
			}
			rig.Check(t, "mount", err)
			t.Cleanup(func() {
				if err := m.Unmount(); err != nil {
					t.Error(err)
					m.End()
				}
			})
			run(t, fstype, dir, "").compare(t, fstype, nil)
		})
	}
}

func open(t *testing.T, image string) *unboot.FS {
	t.Helper()
	img, err := unboot.Open(context.Background(), image, unboot.Writable())
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "open", err)
	t.Cleanup(func() { rig.Check(t, "close", img.Close()) })
	fsys, err := img.MountAuto()
	rig.Check(t, "mount", err)
	rig.Check(t, "chmod", fsys.Chmod(".", 0o755))
	return fsys
}

// TestDirect runs them on the image's kernel, without a mount.
func TestDirect(t *testing.T) {
	suite(t)
	for _, fstype := range fstypes {
		t.Run(fstype, func(t *testing.T) {
			fsys := open(t, blank(t, fstype))
			_, scripts := suite(t)
			for _, name := range scripts {
				own := strings.NewReplacer("/", "-", ".", "-").Replace(name)
				rig.Check(t, "mkdir", fsys.Mkdir(own, 0o755))
			}
			socket := filepath.Join(t.TempDir(), "socket")
			l, err := net.Listen("unix", socket)
			rig.Check(t, "listen", err)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() { answer(fsys.View(), c) })
				}
			})
			known := map[check]string{}
			for n := 41; n <= 46; n++ {
				known[check{"open/00.t", n}] = "the shell itself writes to the file"
			}
			run(t, fstype, "", socket).compare(t, fstype, known)
			l.Close()
			wg.Wait()
		})
	}
}

// answer runs a command line on the image's kernel.
func answer(v *lkl.View, c net.Conn) {
	defer c.Close()
	var r words.Request
	if gob.NewDecoder(c).Decode(&r) != nil {
		return
	}
	var a words.Answer
	var out bytes.Buffer
	ok, err := runOn(v, r, &out)
	a.OK, a.Out = ok, out.String()
	if err != nil {
		a.Err = err.Error()
	}
	gob.NewEncoder(c).Encode(&a)
}

func runOn(v *lkl.View, r words.Request, out *bytes.Buffer) (bool, error) {
	id, args, err := words.Options(r.Args)
	if err != nil {
		return false, err
	}
	// A directory of a long path is come to step by step.
	fd := unix.AT_FDCWD
	for _, part := range strings.FieldsFunc(r.Dir+"/.", func(c rune) bool { return c == '/' }) {
		at := fd
		if at == unix.AT_FDCWD {
			part = "/" + part
		}
		fd, err = v.Openat(at, part, unix.O_PATH|unix.O_DIRECTORY, 0)
		if at != unix.AT_FDCWD {
			v.CloseFd(at)
		}
		if err != nil {
			return false, err
		}
	}
	defer v.CloseFd(fd)
	who := lkl.Identity{Umask: uint32(id.Umask)}
	if id.UID != -1 {
		who.UID = uint32(id.UID)
	}
	if len(id.Groups) > 0 {
		who.GID, who.Groups = id.Groups[0], id.Groups
	}
	as, err := v.As(who)
	if err != nil {
		return false, err
	}
	below, err := v.Kernel().Chroot(fd).As(who)
	if err != nil {
		return false, err
	}
	return words.Run(&kernel{View: as, below: below, dir: fd}, args, out)
}

// TestRunOnCloses: a command in a directory that is not there leaves nothing open.
func TestRunOnCloses(t *testing.T) {
	fsys := open(t, blank(t, "ext4"))
	rig.Check(t, "mkdir", fsys.MkdirAll("a/b", 0o755))
	v := fsys.View()
	next := func() int {
		fd, err := v.Openat(unix.AT_FDCWD, "/", unix.O_PATH, 0)
		rig.Check(t, "open", err)
		v.CloseFd(fd)
		return fd
	}
	before := next()
	for _, c := range []struct {
		dir string
		err error
	}{{"/a/b", nil}, {"/a/b/missing", unix.ENOENT}, {"/missing", unix.ENOENT}} {
		var out bytes.Buffer
		if _, err := runOn(v, words.Request{Dir: c.dir, Args: []string{"mkdir", "new", "0755"}}, &out); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.dir, err, c.err)
		}
		if after := next(); after != before {
			t.Errorf("%s: the next descriptor is %d, and was %d", c.dir, after, before)
		}
	}
}

// A kernel is the image's, with a working directory.
type kernel struct {
	*lkl.View
	below *lkl.View // whose root is the working directory
	dir   int
}

func (k *kernel) at(fd int) int {
	if fd == unix.AT_FDCWD {
		return k.dir
	}
	return fd
}

func (k *kernel) Openat(dirfd int, path string, flags int, mode uint32) (int, error) {
	return k.View.Openat(k.at(dirfd), path, flags, mode)
}

func (k *kernel) Unlinkat(dirfd int, path string, flags int) error {
	return k.View.Unlinkat(k.at(dirfd), path, flags)
}

func (k *kernel) Mkdirat(dirfd int, path string, mode uint32) error {
	return k.View.Mkdirat(k.at(dirfd), path, mode)
}

func (k *kernel) Mknodat(dirfd int, path string, mode uint32, dev int) error {
	return k.View.Mknodat(k.at(dirfd), path, mode, dev)
}

func (k *kernel) Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) error {
	return k.View.Linkat(k.at(olddirfd), oldpath, k.at(newdirfd), newpath, flags)
}

func (k *kernel) Symlinkat(target string, dirfd int, path string) error {
	return k.View.Symlinkat(target, k.at(dirfd), path)
}

func (k *kernel) Renameat(olddirfd int, oldpath string, newdirfd int, newpath string) error {
	return k.View.Renameat(k.at(olddirfd), oldpath, k.at(newdirfd), newpath)
}

func (k *kernel) Fchmodat(dirfd int, path string, mode uint32, flags int) error {
	return k.View.Fchmodat(k.at(dirfd), path, mode, flags)
}

func (k *kernel) Fchownat(dirfd int, path string, uid, gid, flags int) error {
	return k.View.Fchownat(k.at(dirfd), path, uid, gid, flags)
}

func (k *kernel) Statx(dirfd int, path string, flags, mask int, st *unix.Statx_t) error {
	return k.View.Statx(k.at(dirfd), path, flags, mask, st)
}

func (k *kernel) UtimesNanoAt(dirfd int, path string, ts []unix.Timespec, flags int) error {
	return k.View.UtimesNanoAt(k.at(dirfd), path, ts, flags)
}

// Truncate has no form that takes a directory.
func (k *kernel) Truncate(path string, size int64) error { return k.below.Truncate(path, size) }

func (k *kernel) NameMax() (int, error) {
	var st unix.Statfs_t
	err := k.below.Statfs("/", &st)
	return int(st.Namelen), err
}

// Bind leaves what bind(2) leaves in a file system.
func (k *kernel) Bind(path string) error {
	err := k.Mknodat(unix.AT_FDCWD, path, unix.S_IFSOCK|0o777, 0)
	if err == unix.EEXIST {
		return unix.EADDRINUSE
	}
	return err
}

// Connect finds nobody who listens.
func (k *kernel) Connect(path string) error {
	var st unix.Statx_t
	if err := k.Statx(unix.AT_FDCWD, path, 0, unix.STATX_TYPE, &st); err != nil {
		return err
	}
	return unix.ECONNREFUSED
}
