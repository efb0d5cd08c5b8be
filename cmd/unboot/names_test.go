package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// In a passwd that gives an ID two names and a name two IDs, the first line counts, as for
// getpwuid(3) and getpwnam(3), and each name has an ID.
func TestReadNames(t *testing.T) {
	testimg.Need(t, "mke2fs")
	tree := t.TempDir()
	if err := os.Mkdir(filepath.Join(tree, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	const passwd = "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nu:x:10:10::/:\nu:x:11:11::/:\n11:x:12:12::/:\nbad name:x:13:13::/:\nshort:x\n"
	if err := os.WriteFile(filepath.Join(tree, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "image")
	testimg.MustRun(t, "mke2fs", "-q", "-t", "ext4", "-d", tree, image, "8M")
	img, err := unboot.Open(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	n := readNames(f, "etc/passwd")
	for id, want := range map[uint32]string{0: "root", 10: "u", 11: "u", 12: "11", 13: "13", 99: "99"} {
		if got := n.nameOf(id); got != want {
			t.Errorf("name of %d: %q, want %q", id, got, want)
		}
	}
	for name, want := range map[string]int{"root": 0, "toor": 0, "u": 10, "11": 12, "13": 13} {
		if got, ok := n.idOf(name); !ok || got != want {
			t.Errorf("ID of %q: %d, %v, want %d", name, got, ok, want)
		}
	}
	if _, ok := n.idOf("nobody"); ok {
		t.Error("a name that is not there has an ID")
	}
	if got := (idNames{}).nameOf(7); got != "7" {
		t.Errorf("without names: %q", got)
	}
}
