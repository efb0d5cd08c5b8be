package program

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// Threads find their own by the base of a segment, which the host has to set where the
// processor does not let programs do so. It is the same to them.
func TestSegmentBases(t *testing.T) {
	program := compile(t, "testdata/bases/bases.c")
	want := onHost(t, program)
	code, err := os.ReadFile(program)
	rig.Check(t, "reading", err)
	for _, cmdline := range []string{"", "nofsgsbase"} {
		k := rig.Boot(t, &lkl.Config{Programs: lkl.MinPrograms, Cmdline: cmdline})
		put(t, k, "/tmp/bases", code)
		out, err := k.Open("/tmp/out", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		rig.Check(t, "creating", err)
		p, err := k.Exec(&lkl.Exec{File: "/tmp/bases", Args: []string{"bases"}, Fds: [3]int{-1, out, out}})
		rig.Check(t, "exec", err)
		exit, err := p.Wait()
		rig.Check(t, "wait", err)
		rig.Check(t, "close", p.Close())
		rig.Check(t, "close", k.CloseFd(out))
		got, err := k.ReadFile("/tmp/out", 1<<10)
		rig.Check(t, "reading", err)
		if string(got) != want || exit.Status != 0 {
			t.Errorf("%q: %q and status %d, on the host %q", cmdline, got, exit.Status, want)
		}
	}
}

// put writes a program into the root of a kernel.
func put(t *testing.T, k *lkl.Kernel, path string, code []byte) {
	t.Helper()
	fd, err := k.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o755)
	rig.Check(t, "creating", err)
	n, err := k.Write(fd, code)
	rig.Check(t, "writing", err)
	if n != len(code) {
		t.Fatalf("%d of %d bytes are written", n, len(code))
	}
	rig.Check(t, "close", k.CloseFd(fd))
}
