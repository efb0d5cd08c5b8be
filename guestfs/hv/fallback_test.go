package hv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

func uid() string { return strconv.Itoa(os.Geteuid()) }

// output returns what a program prints, however it ends.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

// fakeUUID is that of the root of a fake appliance.
const fakeUUID = "01020304-0506-0708-090a-0b0c0d0e0f10"

// fakeAppliance makes what libguestfs keeps in its cache.
func fakeAppliance(t *testing.T, cache string) {
	t.Helper()
	testimg.Need(t, "mke2fs")
	dir := filepath.Join(cache, ".guestfs-"+uid(), "appliance.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"kernel": {1}, "initrd": {1}, "root": make([]byte, 1<<20)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	testimg.MustRun(t, "mke2fs", "-q", "-F", "-t", "ext2", "-U", fakeUUID, filepath.Join(dir, "root"))
}
