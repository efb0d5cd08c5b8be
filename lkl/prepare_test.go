package lkl

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// prepareFake prepares a fake kernel, and returns its process id.
func prepareFake(t *testing.T, cfg *Config) int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(vmlinux.Variable, exe)
	Prepare(cfg)
	p := waiting.Load()
	if p == nil {
		t.Fatal("nothing was prepared")
	}
	<-p.started
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.s.pid
}

// The next Boot takes the kernel, the one after it does not; the log is that of the Boot.
func TestPrepare(t *testing.T) {
	pid := prepareFake(t, &Config{Memory: 48 << 20})
	Prepare(&Config{Memory: 48 << 20}) // does nothing
	lines := make(chan string, 10)
	k := bootFake(t, &Config{Memory: 48 << 20, Log: func(l string) { lines <- l }})
	if k.Pid() != pid {
		t.Errorf("the kernel is process %d, prepared was %d", k.Pid(), pid)
	}
	select {
	case <-lines:
	case <-time.After(10 * time.Second):
		t.Error("nothing was logged")
	}
	if other := bootFake(t, &Config{Memory: 48 << 20}); other.Pid() == pid {
		t.Error("one kernel was given twice")
	}
}

// A kernel that does not fit is ended, and nothing of it stays: see leaks.
func TestPrepareOther(t *testing.T) {
	for name, cfg := range map[string]*Config{
		"memory":    {Memory: 64 << 20},
		"workers":   {Memory: 48 << 20, Workers: 2},
		"programs":  {Memory: 48 << 20, Programs: 64 << 20},
		"clock":     {Memory: 48 << 20, Clock: time.Unix(1, 0)},
		"arguments": {Memory: 48 << 20, Cmdline: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			pid := prepareFake(t, &Config{Memory: 48 << 20})
			k := bootFake(t, cfg)
			if k.Pid() == pid {
				t.Error("it was taken")
			}
			for range 1000 {
				if unix.Kill(pid, 0) == unix.ESRCH {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("it is still there")
		})
	}
}

// A Config that is wrong is Boot's to tell, and so is a kernel that ends while it waits.
func TestPrepareFails(t *testing.T) {
	Prepare(&Config{Memory: 1})
	if waiting.Load() != nil {
		t.Fatal("a kernel of one byte was prepared")
	}
	pid := prepareFake(t, nil)
	unix.Kill(pid, unix.SIGKILL)
	k, err := Boot(context.Background(), nil)
	if err == nil {
		// It was ready before it was killed.
		<-k.Done()
		err = k.Err()
	}
	if _, ok := err.(*ExitError); !ok {
		t.Errorf("error %v", err)
	}
}

// Real kernels are prepared like others.
func TestPrepareReal(t *testing.T) {
	Prepare(nil)
	p := waiting.Load()
	k := bootReal(t, nil)
	if k.Pid() != p.s.pid {
		t.Error("it was not taken")
	}
	if err := k.Sync(); err != nil {
		t.Errorf("sync: %v", err)
	}
}
