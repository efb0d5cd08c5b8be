package lkl

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBootAndClose(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	k := bootFake(t, &Config{Memory: 48 << 20, Workers: 3, Clock: time.Unix(5, 7), Log: func(l string) {
		mu.Lock()
		lines = append(lines, l)
		mu.Unlock()
	}})
	if k.Err() != nil || k.Pid() <= 1 || k.Sandbox().Flags != SANDBOX_SECCOMP|SANDBOX_PDEATHSIG {
		t.Errorf("err %v, pid %d, sandbox %v", k.Err(), k.Pid(), k.Sandbox())
	}
	if err := unix.Kill(k.Pid(), 0); err != nil {
		t.Errorf("no process: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	select {
	case <-k.Done():
	default:
		t.Error("not done after Close")
	}
	if err := unix.Kill(k.Pid(), 0); err != unix.ESRCH {
		t.Errorf("process after Close: %v", err)
	}
	_, err := k.Open("/", unix.O_RDONLY, 0)
	if err != ErrClosed || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("open after Close: %v", err)
	}
	if _, err := k.Alloc(1); err != ErrClosed {
		t.Errorf("alloc after Close: %v", err)
	}
	if _, err := k.AttachDisk(Disk{Device: ramDisk{}}); err != ErrClosed {
		t.Errorf("attach after Close: %v", err)
	}
	want := "fake kernel, memory 50331648, workers 3, clock 5000000007"
	mu.Lock()
	defer mu.Unlock()
	if len(lines) != 1 || lines[0] != want || !strings.Contains(k.Dmesg(), want) {
		t.Errorf("log %q, dmesg %q", lines, k.Dmesg())
	}
}

func TestBootFailures(t *testing.T) {
	for _, tt := range []struct {
		cmdline string
		want    string
		check   func(error) bool
	}{
		{"fake=panic", "lkl: kernel panic: told to", func(err error) bool {
			var p *PanicError
			return errors.As(err, &p) && !p.Fault && len(p.Log) == 3
		}},
		{"fake=exit", "lkl: kernel ended with exit code 7: last words", func(err error) bool {
			var e *ExitError
			return errors.As(err, &e) && e.Code == 7 && e.Signal == 0
		}},
		{"fake=nofilter", "lkl: kernel killed: it runs without its system call filter", nil},
		{"fake=garbage", "lkl: kernel killed: protocol violated by the kernel process", nil},
		{"fake=segv", "lkl: kernel fault: fake kernel,", func(err error) bool {
			var p *PanicError
			return errors.As(err, &p) && p.Fault
		}},
	} {
		t.Run(tt.cmdline, func(t *testing.T) {
			_, err := tryFake(t, context.Background(), &Config{Cmdline: "a " + tt.cmdline})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.check != nil && !tt.check(err) {
				t.Errorf("wrong error: %#v", err)
			}
		})
	}
}

func TestBootContext(t *testing.T) {
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	if _, err := tryFake(t, ctx, &Config{Cmdline: "fake=hang"}); !errors.Is(err, cause) {
		t.Errorf("boot that hangs: %v", err)
	}
	if _, err := tryFake(t, ctx, nil); !errors.Is(err, cause) {
		t.Errorf("boot with a dead context: %v", err)
	}
}

// Calls in flight, waiting for a slot, and waiting for memory all return when
// the context ends.
func TestContextEndsCalls(t *testing.T) {
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	k, err := tryFake(t, ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = maxCalls + 20
	errs := make(chan error, n+1)
	for range n {
		go func() {
			_, err := k.call(fakeSleep, 1e6)
			errs <- err
		}()
	}
	var bufs []*Buffer
	for range 2 {
		b, err := k.Alloc(MaxBuffer)
		if err != nil {
			t.Fatal(err)
		}
		bufs = append(bufs, b)
	}
	go func() {
		_, err := k.Alloc(1)
		errs <- err
	}()
	time.Sleep(100 * time.Millisecond)
	if len(errs) > 0 {
		t.Fatalf("a call returned: %v", <-errs)
	}
	cancel(cause)
	for range n + 1 {
		select {
		case err := <-errs:
			var e *ExitError
			if !errors.Is(err, cause) || !errors.As(err, &e) || e.Signal != unix.SIGKILL {
				t.Fatalf("got %#v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a call does not return")
		}
	}
	// The memory is still there.
	<-k.gone
	bufs[0].Bytes()[100] = 1
	bufs[1].Bytes()[MaxBuffer-1] = 1
	for _, b := range bufs {
		b.Free()
		b.Free()
	}
	if !errors.Is(k.Err(), cause) || !errors.Is(k.Close(), cause) || k.Close() != nil {
		t.Errorf("err %v", k.Err())
	}
}

func TestKilled(t *testing.T) {
	k := bootFake(t, nil)
	go func() {
		time.Sleep(20 * time.Millisecond)
		unix.Kill(k.Pid(), unix.SIGTERM)
	}()
	_, err := k.call(fakeSleep, 1e6)
	var e *ExitError
	if !errors.As(err, &e) || e.Signal != unix.SIGTERM || e.Cause != nil {
		t.Errorf("got %#v", err)
	}
	if err := k.Close(); err != e {
		t.Errorf("close: %v", err)
	}
}

func TestPanic(t *testing.T) {
	k := bootFake(t, nil)
	if err := k.Panic(); err != unix.ENOSYS {
		t.Errorf("without Testing: %v", err)
	}
	k = bootFake(t, &Config{Testing: true})
	if n, err := k.Hostcall(unix.SYS_GETPID); n != k.Pid() || err != nil {
		t.Errorf("hostcall: %d %v", n, err)
	}
	err := k.Panic()
	var p *PanicError
	if !errors.As(err, &p) || p.Reason() != "asked for" {
		t.Errorf("got %#v", err)
	}
	if _, err := k.Open("/", 0, 0); err != p {
		t.Errorf("call after a panic: %v", err)
	}
}

func TestProtocolViolations(t *testing.T) {
	for name, f := range map[string]func(k *Kernel) error{
		"state": func(k *Kernel) error { _, err := k.call(fakeScribble); return err },
		"ring":  func(k *Kernel) error { _, err := k.call(fakeRing); return err },
		"size": func(k *Kernel) error {
			_, err := k.callOut(make([]byte, 10), maxPiece, fakeHuge, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := bootFake(t, nil)
			if err := f(k); !errors.Is(err, errProtocol) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestForgotten(t *testing.T) {
	if testing.Short() {
		t.Skip("collects garbage")
	}
	k, err := tryFake(t, context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done, s := k.Done(), k.state
	k = nil
	deadline := time.After(10 * time.Second)
	for {
		collect()
		select {
		case <-done:
			<-s.gone
			if !errors.Is(s.endError(), errForgotten) {
				t.Errorf("got %v", s.endError())
			}
			return
		case <-deadline:
			t.Fatal("still running")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{
		{Memory: 1}, {Memory: -1}, {Memory: MaxMemory + 1}, {Workers: -1}, {Workers: 1000},
		{Cmdline: strings.Repeat("x", cmdlineSize)}, {Cmdline: "a\x00b"}, {Clock: time.Unix(-5, 0)},
	} {
		if _, err := Boot(context.Background(), &c); err == nil {
			t.Errorf("%+v: booted", c)
		}
	}
}
