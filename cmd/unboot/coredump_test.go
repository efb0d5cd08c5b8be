package main

import (
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Neither this program nor one that it starts writes a core dump, whatever the shell allows.
func TestNoCoreDumps(t *testing.T) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil {
		t.Fatal(err)
	}
	was := l
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &l); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_CORE, &was)
	noCoreDumps()
	if out, err := exec.Command("sh", "-c", "ulimit -S -c").Output(); err != nil || strings.TrimSpace(string(out)) != "0" {
		t.Errorf("%q, %v", out, err)
	}
}
