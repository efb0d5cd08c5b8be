package hosttool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/landlock"
	"github.com/unboot/unboot/internal/testimg"
)

func workshopOf(t *testing.T) *Workshop {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// TestConfined finds who a tool is, and that it sees nothing of our environment and
// of the network.
func TestConfined(t *testing.T) {
	testimg.Need(t, "id", "cat", "env")
	t.Setenv("SECRET_TOKEN", "x")
	w := workshopOf(t)
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := w.Run(t.Context(), Command{Name: name, Args: args})
		if err != nil {
			t.Error(err)
		}
		return out
	}
	who := os.Geteuid()
	if who == 0 {
		who = nobody
	}
	if got := strings.TrimSpace(run("id", "-u")); got != fmt.Sprint(who) {
		t.Errorf("it is %s", got)
	}
	if got := strings.TrimSpace(run("id", "-G")); os.Geteuid() == 0 && got != fmt.Sprint(nobody) {
		t.Errorf("it is in the groups %s", got)
	}
	if env := run("env"); strings.Contains(env, "SECRET_TOKEN") || !strings.Contains(env, "LC_ALL=C\n") {
		t.Errorf("environment\n%s", env)
	}
	if os.Geteuid() == 0 {
		if n := strings.Count(run("cat", "/proc/net/dev"), "\n"); n != 3 {
			t.Errorf("it has %d network devices", n-2)
		}
	}
}

// TestFiles finds that a tool works with what is in its workshop, and with no other
// file of the host, and has no more memory than it may.
func TestFiles(t *testing.T) {
	testimg.Need(t, "sh", "cat", "ls")
	w := workshopOf(t)
	if _, err := w.File("device0", 1<<20); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Dir(w.dir) + "/unboot-test-outside"
	if err := os.WriteFile(outside, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(outside)
	if err := os.Chmod(outside, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script string
		ok     bool
	}{
		{"echo x >device0; cat device0; mkdir d; echo x >d/f; mv d/f .; rm -r d f", true},
		{"echo x >/dev/null; ls /usr/bin /proc/self; cat /etc/passwd", true},
		{"cat " + outside, false},
		{"echo x >>" + outside, false},
		{"ls " + filepath.Dir(outside), false},
		{"echo x >" + outside + ".new", false},
		{"test $(ulimit -c) = 0", true},
		{"test $(ulimit -d) != unlimited", true},
	} {
		if !c.ok && !landlock.Available() {
			continue
		}
		out, err := w.Run(t.Context(), Command{Name: "sh", Args: []string{"-e", "-c", c.script}})
		if c.ok != (err == nil) {
			t.Errorf("%s: %v\n%s", c.script, err, out)
		}
	}
}

func TestErrors(t *testing.T) {
	testimg.Need(t, "sleep", "sh", "head")
	w := workshopOf(t)
	_, err := w.Run(t.Context(), Command{Name: "no-such-tool"})
	if !errors.Is(err, unix.ENOTSUP) || err.Error() != "there is no program no-such-tool on this host" {
		t.Error(err)
	}
	if _, err := w.Run(t.Context(), Command{Name: "../bin/sh"}); !errors.Is(err, unix.ENOTSUP) {
		t.Error(err)
	}
	// Errors have the names of devices, and what was said on both streams.
	out, err := w.Run(t.Context(), Command{Names: map[string]string{"device0": "/dev/sda"}, Name: "sh", Args: []string{"-c", "echo out $0; echo err $0 >&2; exit 3", w.dir + "/device0"}})
	var failed *Error
	if !errors.As(err, &failed) || failed.Status != 3 || out != "out /dev/sda\n" || !strings.Contains(err.Error(), "err /dev/sda") || !strings.Contains(err.Error(), "out /dev/sda") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := w.Run(t.Context(), Command{Name: "head", Args: []string{"-c", "5000000", "/dev/zero"}}); err != nil || len(out) != maxOutput {
		t.Errorf("%d bytes kept, %v", len(out), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.Run(ctx, Command{Name: "sleep", Args: []string{"1000"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that was cancelled: %v", err)
	}
}
