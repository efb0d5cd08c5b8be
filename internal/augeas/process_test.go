package augeas

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/testimg"
)

// fakeAugtool has a script found instead of augtool.
func fakeAugtool(t *testing.T, script string) {
	t.Helper()
	testimg.Need(t, "stdbuf", "sh")
	dir, err := os.MkdirTemp("/var/tmp", "unboot-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// nobody has to reach it.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "augtool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestBad finds that an augtool that does not do as it should neither keeps us
// nor is left.
func TestBad(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   error
	}{
		"dies":        {"read x; exit 3", errGone},
		"not read":    {"exec sleep 1000", context.DeadlineExceeded},
		"endless":     {"exec cat /dev/zero", errTooLong},
		"child":       {"sleep 1000 & read x; exit 0", context.DeadlineExceeded},
		"half a line": {"read x; printf '/files'; exec sleep 1000", context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			fakeAugtool(t, c.script)
			before := runtime.NumGoroutine()
			w, err := hosttool.New()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			a, err := start(w, w.Dir(), "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if c.want != context.DeadlineExceeded {
				ctx = t.Context()
			}
			if _, err := a.ask(ctx, "match", strings.Repeat("x", 1<<20)); !errors.Is(err, c.want) || !a.gone {
				t.Errorf("%v, want %v", err, c.want)
			}
			a.close()
			for i := 0; runtime.NumGoroutine() > before && i < 100; i++ {
				time.Sleep(20 * time.Millisecond)
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%d goroutines, before %d", n, before)
			}
		})
	}
}

// TestConfined finds that augtool is nobody, in a network of its own, and gone with
// its handle.
func TestConfined(t *testing.T) {
	testimg.Need(t, Tools...)
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	w, err := hosttool.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	a, err := start(w, w.Dir(), "")
	if err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", a.p.Pid())
	if _, err := a.ask(t.Context(), "get", "/augeas"); err != nil {
		t.Error(err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil || !strings.Contains(string(status), "\nUid:\t65534\t65534\t65534\t65534\n") || !strings.Contains(string(status), "\nCapEff:\t0000000000000000\n") {
		t.Errorf("%s, %v", status, err)
	}
	if theirs, err := os.Readlink(proc + "ns/net"); err != nil {
		t.Error(err)
	} else if ours, err := os.Readlink("/proc/self/ns/net"); err != nil || ours == theirs {
		t.Errorf("the same network, %v", err)
	}
	a.close()
	if _, err := os.Stat(proc); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
