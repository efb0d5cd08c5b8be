package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/internal/testimg"
)

// engine is the environment of programs that use unboot.
func engine(t testing.TB) []string {
	t.Helper()
	// A directory of this test, as two tests would share the user's.
	dir := t.TempDir()
	for _, name := range []string{"XDG_RUNTIME_DIR", "TMPDIR"} {
		old, set := os.LookupEnv(name)
		if set {
			defer os.Setenv(name, old)
		} else {
			defer os.Unsetenv(name)
		}
		os.Unsetenv(name)
	}
	os.Setenv("TMPDIR", dir)
	program, err := os.Executable()
	check(t, err)
	env, err := hv.FindEnv(program)
	check(t, err)
	return env.Variables()
}

// real is the environment of programs that use the appliance.
func real() []string {
	return []string{"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg", "LIBGUESTFS_CACHEDIR=/var/tmp"}
}

// A shell runs the commands of a scenario.
type shell struct {
	dir  string // where it runs
	home string // where programs keep files for a while
	env  []string
}

// newShell makes the directory, with the images in it.
func newShell(t testing.TB, s *scenario, images *shelf, env []string) *shell {
	t.Helper()
	s.needs(t)
	dir := t.TempDir()
	for _, i := range s.images {
		shared, to := images.get(t, i[2]), filepath.Join(dir, i[1])
		if i[0] == "copy" {
			check(t, testimg.Copy(shared, to))
		} else {
			check(t, os.Symlink(shared, to))
		}
	}
	// What a scenario has mounted and, if something fails, leaves.
	t.Cleanup(func() { exec.Command("fusermount", "-uqz", filepath.Join(dir, "mnt")).Run() })
	tools, err := filepath.Abs("testdata/bin")
	check(t, err)
	home := t.TempDir()
	return &shell{dir, home, append([]string{
		"PATH=" + tools + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + home, "TMPDIR=" + home,
		"LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb",
	}, env...)}
}

// run runs a command and returns its output, as it is in the file of a scenario.
func (s *shell) run(t testing.TB, text string) []string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "ulimit -n 1024\n"+text)
	cmd.Dir, cmd.Env = s.dir, s.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	lines := append(marked("1", s.normal(stdout.String())), marked("2", s.normal(stderr.String()))...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		lines = append(lines, fmt.Sprint("? ", exit.ExitCode()))
	case err != nil:
		t.Fatalf("%s: %v", text, err)
	}
	return lines
}

// needs skips the test if something that a scenario needs is not installed.
func (s *scenario) needs(t testing.TB) {
	t.Helper()
	for _, c := range s.commands {
		for _, f := range strings.Fields(c.text) {
			switch {
			case f == "dump":
				testimg.NeedRoot(t) // to keep owners
				testimg.Need(t, "debugfs", "e2fsck", "partx")
			case f == "guestmount":
				testimg.Need(t, f, "guestunmount", "fusermount")
				if _, err := os.Stat("/dev/fuse"); err != nil {
					t.Skip(err)
				}
			case strings.HasPrefix(f, "virt-") && !strings.ContainsAny(f, "./"):
				testimg.Need(t, f)
			}
		}
	}
}
