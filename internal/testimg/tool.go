package testimg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Missing says that the host lacks something that an image or a check needs.
// Tests skip on it.
type Missing struct {
	What string // "mkfs.xfs", "root", "the host's btrfs driver"
}

func (m *Missing) Error() string { return m.What + " is needed and not there" }

// Tool returns the path of a program, looked for in PATH and in the system
// directories that an ordinary user's PATH leaves out. The error is a
// [*Missing].
func Tool(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", &Missing{name}
}

// Need skips the test unless all the programs are there.
func Need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := Tool(name); err != nil {
			t.Skip(err)
		}
	}
}

// NeedRoot skips the test unless it runs as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(&Missing{"root"})
	}
}

// Run runs a program with a fixed environment (C.UTF-8, UTC, a fixed time for
// mke2fs) and returns what it wrote to both outputs. The error
// of a program that failed contains its output.
func Run(name string, args ...string) (string, error) {
	return runIn(nil, name, args...)
}

// qemuClock is what QEMU says when it has measured how fast it derives keys, and the host's
// ticks have shown no time for that: it happens on a busy machine, and to try again helps.
const qemuClock = "Unable to get accurate CPU usage"

// runIn is Run with something on standard input.
func runIn(stdin []byte, name string, args ...string) (out string, err error) {
	for range 20 {
		out, err = runOnce(stdin, name, args...)
		if err == nil || !strings.Contains(out, qemuClock) {
			break
		}
	}
	return out, err
}

func runOnce(stdin []byte, name string, args ...string) (string, error) {
	path, err := Tool(name)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(),
		"LC_ALL=C.UTF-8",
		"TZ=UTC",
		fmt.Sprint("E2FSPROGS_FAKE_TIME=", epoch.Unix()),
		"MTOOLS_SKIP_CHECK=1",
	)
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// MustRun is [Run] for tests: a missing program skips the test, one that fails
// ends it.
func MustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := Run(name, args...)
	check(t, err)
	return out
}

// check ends the test if err is set, as skipped if it is a *Missing.
func check(t testing.TB, err error) {
	t.Helper()
	var m *Missing
	if errors.As(err, &m) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
