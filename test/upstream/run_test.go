package upstream

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// environment returns the variables with which libguestfs takes this binary.
func environment(t *testing.T) []string {
	t.Helper()
	program, err := os.Executable()
	rig.Check(t, "executable", err)
	e, err := hv.FindEnv(program)
	rig.Check(t, "environment", err)
	return append(e.Variables(), "LANG=C", "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

// skipStatus is the exit status of a test that does not apply.
const skipStatus = 77

// run runs a command in a directory, with limits of time and of open files, and returns
// its result and its output. Processes that it leaves running are killed.
func run(dir string, env []string, limit time.Duration, args ...string) (outcome, output string) {
	var out bytes.Buffer
	cmd := exec.Command("sh", append([]string{"-c", `ulimit -n 1024; exec "$@"`, "sh"}, args...)...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return fails, err.Error()
	}
	kill := func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	timer := time.AfterFunc(limit, kill)
	err := cmd.Wait()
	late := !timer.Stop()
	kill()
	var exit *exec.ExitError
	switch {
	case late:
		return fails, out.String() + "\nnot done after " + limit.String()
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return pass, out.String()
	case errors.As(err, &exit) && exit.ExitCode() == skipStatus:
		return skip, out.String()
	}
	return fails, out.String() + "\n" + err.Error()
}

// build makes what the tests take for the directory in which libguestfs was built, with
// links to the test data in data.
func build(t *testing.T, top, data string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"tmp", "home"} {
		rig.Check(t, "mkdir", os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	runner := "#!/bin/sh\n[ \"$1\" != --test ] || shift\nexec \"$@\"\n"
	rig.Check(t, "write", os.WriteFile(dir+"/run", []byte(runner), 0o755))
	rig.Check(t, "write", os.WriteFile(dir+"/config.sh", nil, 0o644))
	if data != "" {
		rig.Check(t, "link", os.Symlink(data, dir+"/test-data"))
	}
	for _, name := range []string{"common", "COPYING.LIB"} {
		rig.Check(t, "link", os.Symlink(filepath.Join(top, name), filepath.Join(dir, name)))
	}
	// The program that tests take from there.
	rig.Check(t, "mkdir", os.Mkdir(dir+"/fuse", 0o755))
	if tool, err := testimg.Tool("guestunmount"); err == nil {
		rig.Check(t, "link", os.Symlink(tool, dir+"/fuse/guestunmount"))
	}
	t.Cleanup(func() { unmount(dir) })
	return dir
}

// unmount unmounts everything that a test has left mounted in its directory.
func unmount(dir string) {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			unix.Unmount(f[1], unix.MNT_DETACH)
		}
	}
}

// harness returns the variables that libguestfs's makefiles and its program "run" set for
// a test that runs in the directory sub of a build.
func harness(dir, sub string) []string {
	here := filepath.Join(dir, sub)
	up := strings.Repeat("../", strings.Count(sub, "/")) + ".."
	vars := []string{
		"srcdir=.", "builddir=.", "abs_srcdir=" + here, "abs_builddir=" + here,
		"top_srcdir=" + up, "top_builddir=" + up, "abs_top_srcdir=" + dir, "abs_top_builddir=" + dir,
	}
	functions := "source " + dir + "/tests/test-functions.sh"
	for _, v := range vars {
		functions += " " + v
	}
	return append(vars, "TEST_FUNCTIONS="+functions, "VG=", "HOME="+dir+"/home",
		"LIBGUESTFS_TMPDIR="+dir+"/tmp", "LIBGUESTFS_CACHEDIR="+dir+"/tmp", "MALLOC_PERTURB_=37", "TMPDIR="+dir+"/tmp", "NOEXEC_CHECK=/proc/self/exe")
}
