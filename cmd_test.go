package unboot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// guest opens a private copy of a small guest. Where no program can run the test is skipped.
func guest(t *testing.T, opts ...unboot.Option) (*unboot.FS, string) {
	t.Helper()
	image := testimg.Writable(t, testimg.Busybox(t))
	f, err := open(t, image, append([]unboot.Option{unboot.Writable()}, opts...)...).MountAuto()
	rig.Check(t, "mount", err)
	needPrograms(t, f)
	return f, image
}

// needPrograms skips a test where no program can run.
func needPrograms(t testing.TB, f *unboot.FS) {
	t.Helper()
	if err := f.Command("/bin/true").Run(); errors.Is(err, lkl.ErrNoPrograms) {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("true: %+v", err)
	}
}

// sh is a command of the guest's shell.
func sh(f *unboot.FS, script string, args ...string) *unboot.Cmd {
	return f.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
}

// output runs a script and returns what it prints.
func output(t *testing.T, f *unboot.FS, script string, args ...string) string {
	t.Helper()
	out, err := sh(f, script, args...).Output()
	if err != nil {
		var exit *unboot.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Errorf("%s: %v", script, err)
	}
	return string(out)
}

func TestCommand(t *testing.T) {
	f, _ := guest(t)
	t.Run("arguments", func(t *testing.T) {
		if got := output(t, f, `printf '<%s>' "$@"`, "", "a b", "*", "\xff\n", strings.Repeat("x", 100_000)); got != "<><a b><*><\xff\n><"+strings.Repeat("x", 100_000)+">" {
			t.Errorf("%.100q", got)
		}
	})
	t.Run("environment", func(t *testing.T) {
		if got := output(t, f, "env | grep -v '^PWD\\|^SHLVL\\|^_=' | sort"); got != "HOME=/root\nLOGNAME=root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSHELL=/bin/sh\nUSER=root\n" {
			t.Errorf("%q", got)
		}
		c := f.Command("env")
		c.Env = []string{"PATH=/bin", "A=1", "B=", "A=2 3"}
		out, err := c.Output()
		if string(out) != "PATH=/bin\nB=\nA=2 3\n" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
		if got := f.Command("x").Environ(); len(got) != 5 {
			t.Errorf("%q", got)
		}
	})
	t.Run("directory", func(t *testing.T) {
		for dir, want := range map[string]string{"": "/", "/etc": "/etc", "etc/../home/": "/home"} {
			c := f.Command("pwd")
			c.Dir = dir
			if out, err := c.Output(); string(out) != want+"\n" || err != nil {
				t.Errorf("%s: %q, %v", dir, out, err)
			}
		}
		c := f.Command("pwd")
		c.Dir = "/none"
		if err := c.Run(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
	t.Run("status", func(t *testing.T) {
		err := sh(f, "echo oops >&2; exit 7").Run()
		var exit *unboot.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 7 || err.Error() != "exit status 7" || exit.Signal() != 0 || !exit.Exited() {
			t.Errorf("%v", err)
		}
		_, err = sh(f, "echo oops >&2; kill -TERM $$; sleep 10").Output()
		if !errors.As(err, &exit) || exit.ExitCode() != -1 || exit.Signal() != syscall.SIGTERM || err.Error() != "signal: terminated" || string(exit.Stderr) != "oops\n" {
			t.Errorf("%v", err)
		}
		c := sh(f, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
		rig.Check(t, "loop", c.Run())
		if s := c.ProcessState; s.UserTime()+s.SystemTime() <= 0 || s.MaxRSS() < 100<<10 || !s.Success() || s.String() != "exit status 0" {
			t.Errorf("%v %v %d", s.UserTime(), s.SystemTime(), s.MaxRSS())
		}
	})
	t.Run("streams", func(t *testing.T) {
		data := testimg.Pattern(3<<20+17, 5)
		c := f.Command("cat")
		c.Stdin = bytes.NewReader(data)
		var out bytes.Buffer
		c.Stdout = &out
		rig.Check(t, "cat", c.Run())
		if !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%d bytes of %d", out.Len(), len(data))
		}
		got, err := sh(f, "echo a; echo b >&2; echo c").CombinedOutput()
		if string(got) != "a\nb\nc\n" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got := output(t, f, "cat; echo end"); got != "end\n" { // nil is /dev/null
			t.Errorf("%q", got)
		}
		// A program that does not read all of its input is no error.
		c = f.Command("head", "-c", "1")
		c.Stdin = bytes.NewReader(data)
		got, err = c.Output()
		if len(got) != 1 || err != nil {
			t.Errorf("%d, %v", len(got), err)
		}
		// A writer that fails ends the program by SIGPIPE, and its error comes unless that does.
		c = f.Command("yes")
		c.Stdout = &failing{after: 100_000}
		var exit *unboot.ExitError
		if err := c.Run(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGPIPE {
			t.Errorf("%v", err)
		}
		c = sh(f, "trap '' PIPE; yes 2>/dev/null; exit 0")
		c.Stdout = &failing{after: 100_000}
		if err := c.Run(); !errors.Is(err, errFailing) {
			t.Errorf("%v", err)
		}
	})
	t.Run("files", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "file")
		rig.Check(t, "write", os.WriteFile(name, []byte("from the host\n"), 0o600))
		in := rig.Open(t, name, os.O_RDONLY)
		got := rig.Open(t, name+".out", os.O_RDWR|os.O_CREATE)
		c := f.Command("cat")
		c.Stdin, c.Stdout = in, got
		rig.Check(t, "cat", c.Run())
		if text, _ := os.ReadFile(name + ".out"); string(text) != "from the host\n" {
			t.Errorf("%q", text)
		}
		// What nothing comes from does not keep Wait from returning.
		r, w, err := os.Pipe()
		rig.Check(t, "pipe", err)
		defer r.Close()
		defer w.Close()
		c = f.Command("true")
		c.Stdin = r
		rig.Check(t, "true", c.Run())
	})
	t.Run("pipes", func(t *testing.T) {
		c := sh(f, "while read line; do echo got $line; echo err >&2; done; echo done")
		in, err := c.StdinPipe()
		rig.Check(t, "stdin", err)
		out, err := c.StdoutPipe()
		rig.Check(t, "stdout", err)
		stderr, err := c.StderrPipe()
		rig.Check(t, "stderr", err)
		if _, err := c.StdinPipe(); err == nil {
			t.Error("a second pipe")
		}
		rig.Check(t, "start", c.Start())
		buf := make([]byte, 100)
		for i := range 3 {
			fmt.Fprintln(in, i)
			n, err := out.Read(buf)
			if want := fmt.Sprintf("got %d\n", i); string(buf[:n]) != want || err != nil {
				t.Errorf("%q, %v", buf[:n], err)
			}
		}
		rig.Check(t, "close", in.Close())
		rest, err := io.ReadAll(out)
		errs, err2 := io.ReadAll(stderr)
		if string(rest) != "done\n" || string(errs) != "err\nerr\nerr\n" || err != nil || err2 != nil {
			t.Errorf("%q %q, %v %v", rest, errs, err, err2)
		}
		rig.Check(t, "wait", c.Wait())
		if err := c.Wait(); err == nil {
			t.Error("waited twice")
		}
		if err := c.Start(); err == nil {
			t.Error("started twice")
		}
	})
}

var errFailing = errors.New("no more")

// failing takes some bytes and no more.
type failing struct{ after int }

func (w *failing) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errFailing
	}
	return len(p), nil
}

func TestCommandErrors(t *testing.T) {
	f, _ := guest(t)
	rig.Check(t, "write", f.WriteFile("script", []byte("#!/bin/none\n"), 0o755))
	rig.Check(t, "write", f.WriteFile("text", []byte("just text\n"), 0o755))
	rig.Check(t, "write", f.WriteFile("data", []byte("just text\n"), 0o644))
	vax := make([]byte, 64)
	copy(vax, "\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x4b\x00")
	rig.Check(t, "write", f.WriteFile("vax", vax, 0o755))
	rig.Check(t, "link", f.Symlink("/etc/passwd", "bin/notexec"))
	for name, want := range map[string]struct {
		is   error
		says string
	}{
		"none":      {exec.ErrNotFound, "none"},
		"":          {exec.ErrNotFound, ""},
		"notexec":   {exec.ErrNotFound, "notexec"},
		"/none":     {os.ErrNotExist, "exec /none: no such file or directory"},
		"/bin":      {unix.EACCES, "exec /bin: permission denied"},
		"/data":     {unix.EACCES, "exec /data: permission denied"},
		"/text":     {unix.ENOEXEC, "exec /text: exec format error"},
		"/vax":      {unix.ENOEXEC, "exec /vax: exec format error: it is a program for VAX"},
		"/script":   {os.ErrNotExist, `exec /script: no such file or directory: its interpreter is "/bin/none"`},
		"../../bin": {unix.EACCES, "/bin"},
	} {
		err := f.Command(name).Run()
		if !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for change, c := range map[string]*unboot.Cmd{
		"user":  {User: "none"},
		"group": {User: "root:none"},
		"name":  {Hostname: strings.Repeat("x", 64)},
		"args":  {Args: make([]string, 10_000)},
	} {
		x := f.Command("true")
		x.User, x.Hostname = c.User, c.Hostname
		if c.Args != nil {
			x.Args = c.Args
		}
		if err := x.Run(); err == nil {
			t.Errorf("%s: no error", change)
		}
	}
	c := f.Command("true")
	c.Cancel = func() error { return nil }
	if err := c.Run(); err == nil {
		t.Error("Cancel without a context")
	}
	// Nothing is left of all that.
	if got := output(t, f, "ls /proc/self/fd"); got != "0\n1\n2\n3\n" {
		t.Errorf("descriptors %q", got)
	}
	if _, err := f.LookPath("cat", ""); err != nil {
		t.Error(err)
	}
	if p, err := f.LookPath("cat", "relative:/usr/bin::/bin"); p != "/bin/cat" || err != nil {
		t.Errorf("%s, %v", p, err)
	}
	if _, err := f.LookPath("etc/passwd", ""); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

func TestCommandUser(t *testing.T) {
	f, _ := guest(t)
	for user, want := range map[string]string{
		"":           "uid=0(root) gid=0(root) groups=0(root) umask 0022 home /root",
		"user":       "uid=1000(user) gid=1000(user) groups=50(staff),1000(user) umask 0022 home /home",
		"1000":       "uid=1000(user) gid=1000(user) groups=50(staff),1000(user) umask 0022 home /home",
		"user:staff": "uid=1000(user) gid=50(staff) umask 0022 home /home",
		"77:78":      "uid=77 gid=78 umask 0022 home /",
		"77":         "uid=77 gid=0(root) umask 0022 home /",
	} {
		c := sh(f, "echo $(id) umask $(umask) home $HOME")
		c.User = user
		out, err := c.Output()
		if got := strings.TrimSpace(string(out)); got != want || err != nil {
			t.Errorf("%q: %q, want %q, %v", user, got, want, err)
		}
	}
	c := sh(f, "id; umask")
	c.Credential = &lkl.Identity{UID: 5, GID: 6, Groups: []uint32{7, 1000}, Umask: 0o77}
	out, err := c.Output()
	if string(out) != "uid=5 gid=6 groups=7,1000(user)\n0077\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	c = sh(f, "echo opened >/dev/stdout; echo x >/dev/stderr")
	c.User, c.Stderr = "user", io.Discard
	if out, err := c.Output(); string(out) != "opened\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	c = sh(f, "echo x > /etc/passwd || touch /tmp/mine")
	c.User = "user"
	rig.Check(t, "touch", c.Run())
	st, err := f.Stat("tmp/mine")
	rig.Check(t, "stat", err)
	if e := st.(*unboot.Entry); e.Stat.Uid != 1000 || e.Stat.Gid != 1000 {
		t.Errorf("%d:%d", e.Stat.Uid, e.Stat.Gid)
	}
}

// What a command sees: its own processes, the image's devices, what it was promised, and
// nothing that stays.
func TestCommandSees(t *testing.T) {
	f, _ := guest(t)
	if got := output(t, f, "hostname; echo $$; ls /run; ls -a /dev/shm; readlink /dev/fd"); got != testimg.BusyboxHostname+"\n2\n.\n..\n/proc/self/fd\n" {
		t.Errorf("%q", got)
	}
	for _, dev := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "sda"} {
		if got := output(t, f, "ls /dev/"+dev); got != "/dev/"+dev+"\n" {
			t.Errorf("%q", got)
		}
	}
	output(t, f, "echo x >/dev/shm/a; echo x >/run/a; mkdir /run/b; mount -t tmpfs none /home; echo x >/home/gone; (sleep 1000 &)")
	if got := output(t, f, "ls /dev/shm /run /home; ps | grep -c '[s]leep'; true"); got != "/dev/shm:\n\n/home:\n\n/run:\n0\n" {
		t.Errorf("%q", got)
	}
	if _, err := f.Stat("home/gone"); err == nil {
		t.Error("what was mounted is seen")
	}
	out, err := sh(f, "echo x >/sys/block/sda/ro").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Read-only") {
		t.Errorf("/sys: %q, %v", out, err)
	}
	c := f.Command("hostname")
	c.Hostname = "other"
	if got, err := c.Output(); string(got) != "other\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	// Device nodes of the guest's own are not devices.
	if got, err := sh(f, "mknod /tmp/sda b 8 0 && head -c 1 /tmp/sda").CombinedOutput(); err == nil {
		t.Errorf("%q", got)
	}
	// A part of a tree is a root as well.
	sub, err := f.OpenRoot("usr")
	rig.Check(t, "sub", err)
	if err := sub.Command("/bin/nothing").Run(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What a command has written is on the disk when Wait returns, and what is read afterwards by
// this side is what it has written.
func TestCommandWrites(t *testing.T) {
	f, image := guest(t)
	output(t, f, "yes | head -c 3000000 >/root/big; echo small >/root/small; chmod 600 /root/small")
	copied := filepath.Join(t.TempDir(), "copy.img")
	rig.Check(t, "copy", testimg.Copy(image, copied)) // as it is without the kernel
	for _, g := range []*unboot.FS{f, mount(t, copied)} {
		st, err := g.Stat("root/big")
		if err != nil || st.Size() != 3_000_000 {
			t.Errorf("%v, %v", st, err)
		}
		if text, err := g.ReadFile("root/small"); string(text) != "small\n" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	}
	rig.Check(t, "write", f.WriteFile("root/mine", []byte("host\n"), 0o644))
	if got := output(t, f, "cat /root/mine; rm /root/mine"); got != "host\n" {
		t.Errorf("%q", got)
	}
	rig.Check(t, "unmount", f.Unmount())
	testimg.MustRun(t, "e2fsck", "-fn", image)
}

// A read-only image stays as it is, whatever a command does.
func TestCommandReadOnly(t *testing.T) {
	image := testimg.Writable(t, testimg.Busybox(t))
	check := rig.Unchanged(t, image)
	f := mount(t, image)
	needPrograms(t, f)
	out, err := sh(f, "echo x >/etc/passwd").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Read-only file system") {
		t.Errorf("%q, %v", out, err)
	}
	sh(f, "mount -o remount,rw /; echo x >/etc/passwd; head -c 1000000 /dev/zero >/dev/sda").Run()
	rig.Check(t, "close", f.Image().Close())
	check()
}

func TestCommandSignals(t *testing.T) {
	f, _ := guest(t)
	start := func(script string) (*unboot.Cmd, func(string)) {
		c := sh(f, script)
		out, err := c.StdoutPipe()
		rig.Check(t, "pipe", err)
		rig.Check(t, "start", c.Start())
		return c, func(want string) {
			t.Helper()
			b := make([]byte, 100)
			if n, err := out.Read(b); string(b[:n]) != want || err != nil {
				t.Fatalf("%q, %v", b[:n], err)
			}
		}
	}
	c, expect := start("trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done")
	expect("ready\n")
	rig.Check(t, "signal", c.Signal(syscall.SIGUSR1))
	expect("usr1\n")
	rig.Check(t, "kill", c.Kill())
	var exit *unboot.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
		t.Errorf("%v", err)
	}
	if err := c.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("%v", err)
	}
	c, expect = start("(trap '' TERM; echo ready; sleep 1000); echo after")
	expect("ready\n")
	rig.Check(t, "signal", c.SignalGroup(syscall.SIGTERM))
	if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGTERM {
		t.Errorf("%v", err)
	}
}

func TestCommandContext(t *testing.T) {
	f, _ := guest(t)
	ctx, cancel := context.WithCancel(context.Background())
	c := f.CommandContext(ctx, "sleep", "1000")
	rig.Check(t, "start", c.Start())
	cancel()
	var exit *unboot.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
		t.Errorf("%v", err)
	}
	if err := f.CommandContext(ctx, "true").Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	// What the context wanted, the program did: then the error is the context's.
	ctx, cancel = context.WithCancel(context.Background())
	c = f.CommandContext(ctx, "sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done")
	c.Cancel = func() error { return c.Signal(syscall.SIGTERM) }
	out, err := c.StdoutPipe()
	rig.Check(t, "pipe", err)
	rig.Check(t, "start", c.Start())
	out.Read(make([]byte, 10))
	cancel()
	if err := c.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	// What it does not do in time is done to it.
	ctx, cancel = context.WithCancel(context.Background())
	c = f.CommandContext(ctx, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	c.Cancel = func() error { return c.Signal(syscall.SIGTERM) }
	c.WaitDelay = 50 * time.Millisecond
	out, err = c.StdoutPipe()
	rig.Check(t, "pipe", err)
	rig.Check(t, "start", c.Start())
	out.Read(make([]byte, 10))
	cancel()
	if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
		t.Errorf("%v", err)
	}
	// A reader that never returns keeps Wait for WaitDelay.
	r, w := io.Pipe()
	defer w.Close()
	c = f.Command("true")
	c.Stdin, c.WaitDelay = r, 10*time.Millisecond
	if err := c.Run(); err != exec.ErrWaitDelay {
		t.Errorf("%v", err)
	}
}

func TestCommandTerminal(t *testing.T) {
	f, _ := guest(t)
	c := sh(f, "tty; stty size; stat -c %u $(tty); id -u; read line; echo got $line; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.1; done")
	c.Tty = &unboot.Winsize{Rows: 11, Cols: 22}
	c.User = "user"
	r, w, err := os.Pipe()
	rig.Check(t, "pipe", err)
	defer r.Close()
	defer w.Close()
	shown, show := io.Pipe()
	c.Stdin, c.Stdout = r, show
	rig.Check(t, "start", c.Start())
	w.WriteString("typed\n")
	var got strings.Builder
	buf := make([]byte, 100)
	for !strings.Contains(got.String(), "ready") {
		n, err := shown.Read(buf)
		rig.Check(t, "read", err)
		got.Write(buf[:n])
	}
	rest := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(shown)
		rest <- b
	}()
	rig.Check(t, "resize", c.SetWinsize(unboot.Winsize{Rows: 33, Cols: 44}))
	var exit *unboot.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("%v", err)
	}
	show.Close()
	got.Write(<-rest)
	text := strings.ReplaceAll(got.String(), "\r\n", "\n")
	text = strings.Replace(text, "typed\n", "", 1) // what is typed is shown, sooner or later
	if want := "/dev/pts/0\n11 22\n1000\n1000\ngot typed\nready\n33 44\n"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
	// The end of the input is one for the program, and ^C a signal.
	c = f.Command("cat")
	c.Tty = &unboot.Winsize{}
	c.Stdin = strings.NewReader("line\nrest")
	out, err := c.Output()
	if n := strings.Count(string(out), "rest"); err != nil || n != 2 {
		t.Errorf("%q, %v", out, err)
	}
	c = sh(f, "sleep 1000; exit 5")
	c.Tty = &unboot.Winsize{}
	c.Stdin = strings.NewReader("\x03")
	if err := c.Run(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGINT && exit.ExitCode() != 130 {
		t.Errorf("%v", err)
	}
	c = f.Command("true")
	c.Tty, c.Stderr = &unboot.Winsize{}, io.Discard
	if err := c.Run(); err == nil {
		t.Error("a terminal with two outputs")
	}
}

func TestCommandLimits(t *testing.T) {
	f, _ := guest(t, unboot.ProgramMemory(64<<20))
	c := sh(f, "while :; do :; done")
	c.CPUTime = time.Second
	var exit *unboot.ExitError
	if err := c.Run(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGXCPU && exit.Signal() != syscall.SIGKILL {
		t.Errorf("%v", err)
	}
	c = sh(f, "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait")
	c.Processes = 6
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "fork") {
		t.Errorf("%q, %v", out, err)
	}
	// More memory than there is ends those who want it, and not the kernel.
	c = sh(f, "head -c 1000000000 /dev/zero | tail -c 900000000 | wc -c")
	if err := c.Run(); f.Image().Kernel().Err() != nil {
		t.Fatalf("%v, %+v", err, f.Image().Kernel().Err())
	}
	if got := output(t, f, "echo alive"); got != "alive\n" {
		t.Errorf("%q", got)
	}
}

// Commands end with what they run on.
func TestCommandEnds(t *testing.T) {
	image := testimg.Writable(t, testimg.Busybox(t))
	img := open(t, image, unboot.Writable())
	f, err := img.MountAuto()
	rig.Check(t, "mount", err)
	needPrograms(t, f)
	run := func(f *unboot.FS) *unboot.Cmd {
		c := sh(f, "cd /home; (sleep 1000 &); sleep 1000")
		rig.Check(t, "start", c.Start())
		return c
	}
	a, b := run(f), run(f)
	rig.Check(t, "unmount", f.Unmount())
	var exit *unboot.ExitError
	for _, c := range []*unboot.Cmd{a, b} {
		if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
			t.Errorf("%v", err)
		}
	}
	if err := f.Command("true").Run(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	f, err = img.MountAuto()
	rig.Check(t, "mount", err)
	a = run(f)
	rig.Check(t, "close", img.Close())
	if err := a.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
		t.Errorf("%v", err)
	}

	img, err = unboot.Open(t.Context(), image)
	rig.Check(t, "open", err)
	defer img.Close()
	f, err = img.MountAuto()
	rig.Check(t, "mount", err)
	a = run(f)
	img.Kernel().Kill()
	if err := a.Wait(); !errors.Is(err, lkl.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// Several commands run at a time, and the tree can be used meanwhile.
func TestCommandsAtOnce(t *testing.T) {
	f, _ := guest(t)
	var list []*unboot.Cmd
	for i := range 12 {
		c := sh(f, `read x; echo $x $1`, strconv.Itoa(i))
		list = append(list, c)
	}
	var ins []io.WriteCloser
	var outs []*bytes.Buffer
	for _, c := range list {
		in, err := c.StdinPipe()
		rig.Check(t, "pipe", err)
		out := &bytes.Buffer{}
		c.Stdout, c.Stderr = out, out
		ins, outs = append(ins, in), append(outs, out)
		rig.Check(t, "start", c.Start())
	}
	rig.Check(t, "write", f.WriteFile("tmp/x", []byte("x"), 0o644))
	for i, c := range list {
		fmt.Fprintln(ins[i], "line")
		rig.Check(t, "wait", c.Wait())
		if want := fmt.Sprintf("line %d\n", i); outs[i].String() != want {
			t.Errorf("%q, want %q", outs[i], want)
		}
	}
}

// A mount of the caller's is seen where it was asked for, and released at the end.
func TestCommandMounts(t *testing.T) {
	f, _ := guest(t)
	released := 0
	tmpfs := func(k *lkl.Kernel) (int, func() error, error) {
		fs, err := k.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
		if err != nil {
			return -1, nil, err
		}
		defer k.CloseFd(fs)
		rig.Check(t, "create", k.FsconfigCreate(fs))
		fd, err := k.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
		rig.Check(t, "fsmount", err)
		rig.Check(t, "mkdir", k.Mkdirat(fd, "here", 0o755))
		return fd, func() error { released++; return nil }, nil
	}
	c := f.Command("ls", "/home")
	c.Mounts = []unboot.CmdMount{{Target: "home", Open: tmpfs}, {Target: "/none", Optional: true, Open: tmpfs}}
	out, err := c.Output()
	if string(out) != "here\n" || err != nil || released != 2 {
		t.Errorf("%q, %v, %d", out, err, released)
	}
	c = f.Command("ls", "/home")
	c.Mounts = []unboot.CmdMount{{Target: "none", Open: tmpfs}}
	if err := c.Run(); !errors.Is(err, unix.ENOENT) || released != 2 {
		t.Errorf("%v, %d", err, released)
	}
	c = f.Command("ls", "/home")
	c.Mounts = []unboot.CmdMount{{Target: "home", Open: func(*lkl.Kernel) (int, func() error, error) { return -1, nil, errFailing }}}
	if err := c.Run(); !errors.Is(err, errFailing) {
		t.Errorf("%v", err)
	}
}

// A whole Debian runs its own tools.
func TestCommandDebian(t *testing.T) {
	for _, kind := range []string{"ext4"} {
		f := mount(t, testimg.Writable(t, testimg.Debian(t, kind)), unboot.Writable())
		needPrograms(t, f)
		out, err := f.Command("dpkg-query", "-W", "-f", "${Status} ${Package}\n", "base-files").CombinedOutput()
		if string(out) != "install ok installed base-files\n" || err != nil {
			t.Errorf("%s: %q, %v", kind, out, err)
		}
		rig.Check(t, "useradd", f.Command("useradd", "-m", "somebody").Run())
		if got, err := f.Stat("home/somebody"); err != nil || !got.IsDir() {
			t.Errorf("%v, %v", got, err)
		}
		c := f.Command("id", "-un")
		c.User = "somebody"
		if out, err := c.Output(); string(out) != "somebody\n" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
	}
}

// TestCommandBlocking looks at the flags of a program's three files, none of which has O_NONBLOCK
// whatever it is.
func TestCommandBlocking(t *testing.T) {
	f, _ := guest(t)
	for name, prepare := range map[string]func(c *unboot.Cmd) io.Reader{
		"nothing": func(c *unboot.Cmd) io.Reader { return nil },
		"streams": func(c *unboot.Cmd) io.Reader { return strings.NewReader("text") },
		"a file":  func(c *unboot.Cmd) io.Reader { return os.Stdin },
	} {
		const script = `cd /proc/$$/fdinfo; grep -h flags: 0 1 2 | tr -d 'flags:\t' >/tmp/flags`
		f.Remove("tmp/flags")
		rig.Check(t, "mkdir", f.MkdirAll("tmp", 0o777))
		c := f.Command("/bin/sh", "-c", script)
		c.Stdin = prepare(c)
		if c.Stdin != nil {
			c.Stdout, c.Stderr = io.Discard, &bytes.Buffer{}
		}
		rig.Check(t, name, c.Run())
		data, err := f.ReadFile("tmp/flags")
		rig.Check(t, name, err)
		all := strings.Fields(string(data))
		if len(all) != 3 {
			t.Errorf("%s: flags %q", name, all)
		}
		for _, flags := range all {
			if n, err := strconv.ParseUint(flags, 8, 32); err != nil || n&unix.O_NONBLOCK != 0 {
				t.Errorf("%s: flags %s, %v", name, flags, err)
			}
		}
	}
}
