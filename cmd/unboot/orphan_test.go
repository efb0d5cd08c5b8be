package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
)

// A command that fails before it boots the kernel that was prepared for it leaves no child: its
// parent, which adopts orphans here as the first process of a container does, would have to
// wait for that.
func TestNoOrphans(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Skipf("this host lets nobody adopt orphans: %v", err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	exe, err := os.Executable()
	rig.Check(t, "executable", err)
	unboot := filepath.Join(t.TempDir(), "unboot")
	rig.Check(t, "link", os.Symlink(exe, unboot)) // TestMain runs main for that name
	before := adopted(t)
	for _, args := range [][]string{{"ls", "/"}, {"ls", "--bogus"}, {"ls", "/no/such"}, {"cat", "x", "-m"}, {"nothing", "x"}} {
		if out, err := exec.Command(unboot, args...).CombinedOutput(); err == nil {
			t.Errorf("%q succeeds: %s", args, out)
		}
		for pid, name := range adopted(t) {
			if before[pid] == "" {
				t.Errorf("%q leaves process %d, %s", args, pid, name)
				unix.Wait4(pid, nil, 0, nil)
			}
		}
	}
}

// adopted returns the children of this process by their names.
func adopted(t *testing.T) map[int]string {
	t.Helper()
	list := map[int]string{}
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	rig.Check(t, "tasks", err)
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread may have ended
		for _, c := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(c)
			rig.Check(t, "number", err)
			comm, _ := os.ReadFile("/proc/" + c + "/comm")
			list[pid] = strings.TrimSpace(string(comm)) + "?"
		}
	}
	return list
}
