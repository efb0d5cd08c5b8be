package lkl

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// needSnapshot skips where kernels are booted always: UNBOOT_KERNEL has no snapshot beside it.
func needSnapshot(t *testing.T) {
	t.Helper()
	if os.Getenv(vmlinux.Variable) != "" || os.Getenv(bootVariable) != "" {
		t.Skip("this run is of a kernel that boots")
	}
}

// What the snapshot was not made for is booted, and works as well.
func TestSnapshotOrBoot(t *testing.T) {
	needSnapshot(t)
	for _, tt := range []struct {
		name string
		cfg  Config
		boot string
		want bool
	}{
		{"default", Config{}, "", true},
		{"least", Config{Memory: 64 << 20, Programs: MinPrograms}, "", true},
		{"too little memory", Config{Memory: MinMemory}, "", false},
		{"most", Config{Memory: 512 << 20, Programs: 4 << 30}, "", true},
		{"fixed clock", Config{Clock: time.Unix(1e9, 0)}, "", true},
		{"more memory", Config{Memory: 513 << 20}, "", false},
		{"more memory of programs", Config{Programs: 4<<30 + programsUnit}, "", false},
		{"command line", Config{Cmdline: "nofsgsbase"}, "", false},
		{"told to boot", Config{}, "1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(bootVariable, tt.boot)
			k := bootReal(t, &tt.cfg)
			if k.FromSnapshot() != tt.want {
				t.Errorf("from the snapshot: %v", k.FromSnapshot())
			}
			if line := readProc(t, k, "/proc/cmdline"); !strings.HasPrefix(line, strings.TrimSpace(quiet)) {
				t.Errorf("command line %q", line)
			}
			must(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, "/tmp/x", 0o700))
		})
	}
}

// readProc reads a file of the kernel's own.
func readProc(t *testing.T, k *Kernel, name string) string {
	t.Helper()
	fd, err := k.Open(name, unix.O_RDONLY, 0)
	must(t, "open "+name, err)
	defer k.CloseFd(fd)
	b, err := k.Alloc(4096)
	must(t, "alloc", err)
	defer b.Free()
	n, err := k.Read(fd, b.Bytes())
	must(t, "read "+name, err)
	return strings.TrimSpace(string(b.Bytes()[:n]))
}

// Each kernel has random numbers of its own, though all have been booted as one.
func TestSnapshotRandom(t *testing.T) {
	needSnapshot(t)
	seen := map[string]bool{}
	n := 20
	if s := os.Getenv("UNBOOT_STARTS"); s != "" {
		fmt.Sscan(s, &n)
	}
	for range n {
		k := bootReal(t, nil)
		for _, name := range []string{"boot_id", "uuid"} {
			id := readProc(t, k, "/proc/sys/kernel/random/"+name)
			if len(id) != 36 || seen[id] {
				t.Fatalf("%s %q again", name, id)
			}
			seen[id] = true
		}
		must(t, "close", k.Close())
	}
}

// The kernel's clock is the host's, wherever that stood when the snapshot was made, and its
// time goes on.
func TestSnapshotTime(t *testing.T) {
	needSnapshot(t)
	if os.Getenv("UNBOOT_TEST_CLOCK") == "" {
		exe, err := os.Executable()
		must(t, "executable", err)
		for _, offset := range []string{"500000", "-20"} {
			cmd := exec.Command("unshare", "--time", "--monotonic", offset, "--boottime", offset, "--fork",
				exe, "-test.run=^TestSnapshotTime$", "-test.v")
			cmd.Env = append(os.Environ(), "UNBOOT_TEST_CLOCK=1")
			out, err := cmd.CombinedOutput()
			if err != nil && !strings.Contains(string(out), "--- ") {
				t.Skipf("no time namespace: %v: %s", err, out)
			}
			if err != nil {
				t.Errorf("a monotonic clock moved by %s s: %v\n%s", offset, err, out)
			}
		}
	}
	k := bootReal(t, nil)
	if !k.FromSnapshot() {
		t.Error("it was booted")
	}
	touch := func(name string) time.Time {
		fd, err := k.Open(name, unix.O_CREAT|unix.O_WRONLY, 0o600)
		must(t, "create", err)
		k.CloseFd(fd)
		var st unix.Statx_t
		must(t, "statx", k.Statx(unix.AT_FDCWD, name, 0, unix.STATX_BASIC_STATS, &st))
		return time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))
	}
	before := time.Now().Add(-50 * time.Millisecond) // a tick of the kernel, and rounding
	first := touch("/tmp/first")
	time.Sleep(300 * time.Millisecond)
	second := touch("/tmp/second")
	if first.Before(before) || second.After(time.Now()) {
		t.Errorf("it is %v to %v there, and %v to %v here", first, second, before, time.Now())
	}
	if d := second.Sub(first); d < 200*time.Millisecond {
		t.Errorf("300 ms took it %v", d)
	}
	var up float64
	fmt.Sscan(readProc(t, k, "/proc/uptime"), &up)
	if up > 60 {
		t.Errorf("it has been up for %v s", up)
	}
}

// A kernel is not started without a seed, nor in a window that another one has used.
func TestSnapshotRefuses(t *testing.T) {
	needSnapshot(t)
	for want, spoil := range map[string]func(h *abiHeader){
		"no seed":                  func(h *abiHeader) { clear(h.Seed[:]) },
		"the window has been used": func(h *abiHeader) { h.Snapshot = 1 },
	} {
		k, err := Boot(t.Context(), &Config{spoil: spoil})
		if err == nil {
			k.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// What depends on a boot is known, so that a start from the snapshot can make it anew: a state
// that is new in the kernel is to be noticed. The build has found out what there is.
func TestSnapshotStates(t *testing.T) {
	known := map[string]bool{}
	list, err := os.ReadFile("../kernel/snapshot.list")
	must(t, "list", err)
	for line := range strings.Lines(string(list)) {
		line, _, _ = strings.Cut(line, "#")
		known[strings.TrimSpace(line)] = true
	}
	found, err := os.ReadFile("../bin/states")
	if err != nil {
		t.Skipf("the kernel was not built here: %v", err)
	}
	if !strings.Contains(string(found), "seed base_crng\n") || !strings.Contains(string(found), "time tk_core\n") {
		t.Errorf("the build has compared nothing: %q", found)
	}
	for line := range strings.Lines(string(found)) {
		if !known[strings.TrimSpace(line)] {
			t.Errorf("%q is not in kernel/snapshot.list: see there", strings.TrimSpace(line))
		}
	}
}
