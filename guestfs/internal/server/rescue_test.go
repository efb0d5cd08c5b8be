package server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A screen shows what is written to it.
type screen struct {
	mu   sync.Mutex
	said bytes.Buffer // guarded by mu
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(p)
}

// TestRescueShells: a host without bash has another shell, and one without any is told.
func TestRescueShells(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func(list []string) { shells = list }(shells)
	for _, missing := range []bool{false, true} {
		shells = []string{"no-such-shell", "sh"}
		if missing {
			shells = shells[:1]
		}
		keyboard, typed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer keyboard.Close()
		defer typed.Close()
		typed.WriteString("echo a$((1+1))b\nexit 3\n")
		var out screen
		s, err := New(Config{Drives: []Drive{{Path: disk, Format: "raw"}}, Console: &Console{In: keyboard, Out: &out}})
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		defer near.Close()
		err = s.Serve(context.Background(), far)
		if cerr := s.Close(); cerr != nil {
			t.Errorf("Close: %v", cerr)
		}
		said := out.said.String()
		if missing && (!errors.Is(err, unix.ENOTSUP) || !strings.Contains(err.Error(), "no-such-shell")) {
			t.Errorf("without a shell: %v", err)
		}
		if !missing && (err != nil || !strings.Contains(said, "a2b") || !strings.Contains(said, "writing everything")) {
			t.Errorf("%v, %q", err, said)
		}
	}
}

func TestMountsBelow(t *testing.T) {
	text := `25 1 0:2 / / rw - rootfs none rw
28 25 0:15 / /sysroot rw,relatime shared:1 - tmpfs none rw
29 28 253:1 / /sysroot rw shared:2 - ext4 /dev/sda1 rw
30 29 253:2 / /sysroot/a\040b\134040\012 rw shared:3 - ext4 /dev/sda2 rw
31 25 0:16 / /sysrootx rw - tmpfs none rw
32
`
	want := []string{"/sysroot", "/sysroot", "/sysroot/a b\\040\n"}
	if got := mountsBelow([]byte(text), "/sysroot"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
