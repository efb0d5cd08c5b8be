package distro

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// environment is that of all programs.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash",
	"LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive",
	"SYSTEMD_IGNORE_CHROOT=1", // in one of the two it would say that it is in one
}

// A result is what a script has written, and how it has ended.
type result struct {
	stdout, stderr bytes.Buffer
	status         string
	took           time.Duration
}

// A world is where scripts run: one tree and one kernel.
type world interface {
	// mkdir makes a directory with files in it for a script.
	mkdir(t *testing.T, dir string, files map[string][]byte)
	// run runs a script of sh(1) in a directory.
	run(ctx context.Context, dir, script string) *result
	// close ends the world, of which the image is left.
	close(t *testing.T)
}

// library is the world of the library kernel.
type library struct {
	image string
	img   *unboot.Image
	f     *unboot.FS
	mu    sync.Mutex
	log   []string // guarded by mu: the kernel's last lines
}

// newLibrary opens an image whose programs are to be run. Where none can, the test is skipped.
func newLibrary(t *testing.T, image string, opts ...unboot.Option) *library {
	t.Helper()
	w := &library{image: image}
	w.open(t, opts...)
	return w
}

func (w *library) open(t *testing.T, opts ...unboot.Option) {
	t.Helper()
	img, err := unboot.Open(context.Background(), w.image, append([]unboot.Option{unboot.Writable(), unboot.Log(w.note)}, opts...)...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("open: %+v", err)
	}
	w.img = img
	if w.f, err = img.MountAuto(); err == nil {
		err = w.f.Command("/bin/true").Run()
	}
	if err != nil {
		img.Close()
		if errors.Is(err, lkl.ErrNoPrograms) {
			t.Skip(err)
		}
		t.Fatalf("first program: %+v\n%s", err, w.lastLog())
	}
}

func (w *library) note(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, line)
	if len(w.log) > 60 {
		w.log = w.log[20:]
	}
}

// lastLog returns what the kernel has said since it was last asked.
func (w *library) lastLog() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.log, "\n")
	w.log = nil
	return s
}

// alive opens the image again if its kernel has ended, and reports whether it had not.
func (w *library) alive(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := w.f.CommandContext(ctx, "/bin/true").Run()
	if err == nil {
		return true
	}
	t.Errorf("the kernel runs nothing any more: %v\n%s", err, w.lastLog())
	w.img.Kernel().Kill()
	w.img.Close()
	w.open(t)
	return false
}

func (w *library) mkdir(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	rel := strings.TrimPrefix(dir, "/")
	if err := w.f.MkdirAll(rel, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := w.f.WriteFile(rel+"/"+name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *library) run(ctx context.Context, dir, script string) *result {
	r := &result{}
	c := w.f.CommandContext(ctx, "/bin/sh", "-c", script)
	c.Dir, c.Env = dir, environment
	c.Stdout, c.Stderr = &r.stdout, &r.stderr
	c.WaitDelay = 10 * time.Second
	start := time.Now()
	err := c.Run()
	r.took = time.Since(start)
	var exit *unboot.ExitError
	switch {
	case ctx.Err() != nil:
		r.status = "timeout"
	case errors.As(err, &exit) && exit.Signal() != 0:
		r.status = fmt.Sprint(128 + int(exit.Signal()))
	case errors.As(err, &exit):
		r.status = fmt.Sprint(exit.ExitCode())
	case err != nil:
		r.status = err.Error()
	default:
		r.status = "0"
	}
	return r
}

func (w *library) close(t *testing.T) {
	t.Helper()
	if err := w.img.Close(); err != nil {
		t.Errorf("close: %+v\n%s", err, w.lastLog())
	}
}

// chroot is the world of the host's kernel: the image is mounted, and each script has
// namespaces and mounts like those that a command of unboot has.
type chroot struct {
	root    string
	network bool // scripts have the host's network
}

// newChroot mounts an image. Without root the test is skipped.
func newChroot(t *testing.T, image, options string) *chroot {
	t.Helper()
	testimg.NeedRoot(t)
	testimg.Need(t, "unshare", "mount", "chroot")
	return &chroot{root: testimg.Loop(t, image, "ext4", options)}
}

// container is run by sh(1) in new namespaces: root, directory and script are its arguments.
const container = `
root=$1 dir=$2 script=$3; shift 3
{
mount --make-rprivate / &&
mount -t proc -o nosuid,nodev,noexec none "$root/proc" &&
mount -t sysfs -o ro,nosuid,nodev,noexec none "$root/sys" &&
mount -t tmpfs -o mode=755 none "$root/dev" &&
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/console "$root/dev" &&
mkdir "$root/dev/pts" "$root/dev/shm" &&
mount -t devpts -o newinstance,nosuid,noexec,mode=620,gid=5,ptmxmode=666 none "$root/dev/pts" &&
mount -t tmpfs -o nosuid,nodev,mode=1777 none "$root/dev/shm" &&
mount -t tmpfs -o nosuid,nodev,mode=755 none "$root/run" &&
ln -s pts/ptmx "$root/dev/ptmx" && ln -s /proc/self/fd "$root/dev/fd" &&
ln -s fd/0 "$root/dev/stdin" && ln -s fd/1 "$root/dev/stdout" && ln -s fd/2 "$root/dev/stderr" &&
hostname "$(cat "$root/etc/hostname")"
} || exit 125
ip link set lo up 2>/dev/null
umask 022
renice 0 $$ >/dev/null
chroot "$root" /usr/bin/env -i -C "$dir" "$@" /bin/sh -c "$script"
exit $?`

func (w *chroot) mkdir(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(w.root+dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(w.root+dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *chroot) run(ctx context.Context, dir, script string) *result {
	r := &result{}
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"}
	if !w.network {
		args = append(args, "--net")
	}
	args = append(args, "sh", "-c", container, "sh", w.root, dir, script)
	c := exec.CommandContext(ctx, "unshare", append(args, environment...)...)
	c.Stdout, c.Stderr = &r.stdout, &r.stderr
	c.WaitDelay = 10 * time.Second
	start := time.Now()
	err := c.Run()
	r.took = time.Since(start)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.status = "timeout"
	case errors.As(err, &exit):
		r.status = fmt.Sprint(exit.ExitCode())
	case err != nil:
		r.status = err.Error()
	default:
		r.status = "0"
	}
	return r
}

func (w *chroot) close(t *testing.T) {}

// loopOptions returns mount options for a file system that starts there.
func loopOptions(offset int64, options string) string {
	if offset == 0 {
		return options
	}
	o := fmt.Sprint("offset=", offset)
	if options != "" {
		o += "," + options
	}
	return o
}
