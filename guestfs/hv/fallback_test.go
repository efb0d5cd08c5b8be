package hv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
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

// fakeAppliance makes what libguestfs keeps in its cache.
func fakeAppliance(t *testing.T, cache string) {
	t.Helper()
	dir := filepath.Join(cache, ".guestfs-"+uid(), "appliance.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root := make([]byte, 2048)
	root[1024+0x38], root[1024+0x39] = 0x53, 0xef
	for i := range 16 {
		root[1024+0x68+i] = byte(i + 1)
	}
	for name, data := range map[string][]byte{"kernel": {1}, "initrd": {1}, "root": root} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
