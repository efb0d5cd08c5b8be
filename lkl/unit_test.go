package lkl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorText(t *testing.T) {
	log := []string{"[    0.1] first", "[    0.2] Kernel panic - not syncing: why", "[    0.3] ---[ end ]---", ""}
	cause := errors.New("cause")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&PanicError{Log: log}, "lkl: kernel panic: why"},
		{&PanicError{Log: log[:1]}, "lkl: kernel panic: [    0.1] first"},
		{&PanicError{Fault: true}, "lkl: kernel fault"},
		{&PanicError{Log: []string{"x", "[1] BUG: unable"}}, "lkl: kernel panic: BUG: unable"},
		{&ExitError{Code: -1, Signal: syscall.SIGSYS}, "lkl: kernel killed by its sandbox for a forbidden system call"},
		{&ExitError{Code: -1, Signal: syscall.SIGTERM, Log: log}, "lkl: kernel killed by signal: terminated: [    0.3] ---[ end ]---"},
		{&ExitError{Code: exitSetup}, "lkl: kernel could not set up its memory and descriptors"},
		{&ExitError{Code: exitSandbox}, "lkl: kernel could not install its sandbox"},
		{&ExitError{Code: 3}, "lkl: kernel ended with exit code 3"},
		{&ExitError{Cause: cause, Log: log}, "lkl: kernel killed: cause"},
		{ErrClosed, "lkl: kernel is closed"},
	} {
		if got := fmt.Sprint(tt.err); got != tt.want {
			t.Errorf("%#v: %q, want %q", tt.err, got, tt.want)
		}
	}
	got := fmt.Sprintf("%+v", &ExitError{Code: 3, Log: log[:2]})
	if want := "lkl: kernel ended with exit code 3: " + log[1] + "\n\t" + log[0] + "\n\t" + log[1]; got != want {
		t.Errorf("%%+v: %q", got)
	}
	if got := fmt.Sprintf("%q", &PanicError{}); got != `"lkl: kernel panic"` {
		t.Errorf("%%q: %s", got)
	}
	if !errors.Is(&ExitError{Cause: cause}, cause) || !errors.Is(ErrClosed, fs.ErrClosed) {
		t.Error("errors.Is")
	}
}

func TestSandboxText(t *testing.T) {
	for _, tt := range []struct {
		s    Sandbox
		want string
	}{
		{Sandbox{Flags: 0x7ff}, "seccomp no-new-privs no-dump pdeathsig closed-fds landlock user-ns net-ns ipc-ns mount-ns uts-ns"},
		{Sandbox{Flags: 0x7bf, Errno: unix.EPERM}, "seccomp no-new-privs no-dump pdeathsig closed-fds landlock net-ns ipc-ns mount-ns uts-ns; missing: user-ns (operation not permitted)"},
		{Sandbox{}, "none; missing: seccomp no-new-privs no-dump pdeathsig closed-fds landlock user-ns net-ns ipc-ns mount-ns uts-ns"},
	} {
		if got := tt.s.String(); got != tt.want {
			t.Errorf("%+v: %q", tt.s, got)
		}
	}
}

func TestLog(t *testing.T) {
	long := strings.Repeat("l", 3*logLine+5)
	r, w := io.Pipe()
	go func() {
		for _, s := range []string{"one\ntw", "o\n\n", long, "\n\x1b[31mred\x00\n", "end"} {
			io.WriteString(w, s)
		}
		w.Close()
	}()
	var tail logTail
	var lines []string
	tail.read(r, func(s string) { lines = append(lines, s) })
	want := []string{"one", "two", "", long[:logLine], long[:logLine], long[:logLine], long[:5], "?[31mred?", "end"}
	if strings.Join(lines, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", lines)
	}
	if got := tail.last(2); len(got) != 2 || got[1] != "end" {
		t.Errorf("last: %q", got)
	}
	for range 10000 {
		tail.add("a line of the log", nil)
	}
	if n := len(strings.Join(tail.last(1e9), "\n")); n > logKeep || n < logKeep/2 {
		t.Errorf("%d bytes kept", n)
	}
	lines = splitLog("<6>[    0.1] a\n<12>b\n<6>[    0.2] \nc<1>\n")
	if got := strings.Join(lines, "\n"); got != "[    0.1] a\nb\n[    0.2] \nc<1>" {
		t.Errorf("lines: %q", got)
	}
}

func TestMessages(t *testing.T) {
	got := messages([]string{"[    0.004321] EXT4-fs (sda): x", "", "  ", "[    0.2] ", "plain [1] line", "[unclosed"})
	if want := []string{"EXT4-fs (sda): x", "plain [1] line", "[unclosed"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestOpenFlags(t *testing.T) {
	for host, want := range map[int]uint64{
		unix.O_RDWR | unix.O_CREAT:                   unix.O_RDWR | unix.O_CREAT,
		unix.O_DIRECTORY:                             genericODirectory,
		unix.O_NOFOLLOW | unix.O_DIRECT:              genericONofollow | genericODirect,
		unix.O_PATH | unix.O_CLOEXEC | unix.O_APPEND: unix.O_PATH | unix.O_CLOEXEC | unix.O_APPEND,
		unix.O_TMPFILE | unix.O_WRONLY:               unix.O_TMPFILE&^unix.O_DIRECTORY | genericODirectory | unix.O_WRONLY,
	} {
		if got := openFlags(host); got != want|genericOLargefile {
			t.Errorf("%#x: %#x, want %#x", host, got, want|genericOLargefile)
		}
	}
}

// A Buffer that is not of this kernel is copied.
func TestWindowAddr(t *testing.T) {
	a, b := bootFake(t, nil), bootFake(t, nil)
	buf, err := a.Alloc(5000)
	must(t, "alloc", err)
	defer buf.Free()
	if buf.Addr()%8192 != 0 || len(buf.Bytes()) != 5000 || cap(buf.Bytes()) != 5000 {
		t.Errorf("address %#x, %d bytes of %d", buf.Addr(), len(buf.Bytes()), cap(buf.Bytes()))
	}
	if addr, ok := a.w.addr(buf.Bytes()[1:]); !ok || addr != buf.Addr()+1 {
		t.Errorf("own: %#x %v", addr, ok)
	}
	if _, ok := b.w.addr(buf.Bytes()); ok {
		t.Error("another kernel's memory")
	}
	if _, ok := a.w.addr(make([]byte, 10)); ok {
		t.Error("the heap")
	}
	for _, n := range []int{-1, MaxBuffer + 1} {
		if _, err := a.Alloc(n); err != unix.EINVAL {
			t.Errorf("alloc of %d: %v", n, err)
		}
	}
	if _, ok := a.w.slice(offArena, windowSize); ok {
		t.Error("beyond the end")
	}
	if _, ok := a.w.slice(offArena-1, 1); ok {
		t.Error("before the arena")
	}
}
