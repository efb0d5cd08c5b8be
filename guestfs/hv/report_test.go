package hv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestReports has machines that fail say why, although the library does not show it.
func TestReports(t *testing.T) {
	testimg.Need(t, "guestfish", "qemu-img")
	e := testEnv(t)
	dir := t.TempDir()
	odd := filepath.Join(dir, "a\x1b[31m\nb.simg")
	// A sparse image of Android, of one block that is not there.
	sparse := "\x3a\xff\x26\xed\x01\x00\x00\x00\x1c\x00\x0c\x00\x00\x10\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\xc3\xca\x00\x00\x01\x00\x00\x00\x0c\x00\x00\x00" + strings.Repeat("\x00", 512)
	if err := os.WriteFile(odd, []byte(sparse), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	reports, err := Listen(func(line string) { mu.Lock(); got = append(got, line); mu.Unlock() })
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-a", odd, "run"},
		{"--format=luks", "-a", image(t), "run"},
		{"--format=raw", "-a", image(t), "run", ":", "command", "true"},
		{"--format=raw", "-a", image(t), "run", ":", "vgrename", "a", "b"},
	} {
		cmd := exec.Command("guestfish", args...)
		cmd.Env = append(append(os.Environ(), e.Variables()...), reports.Variable())
		cmd.Run()
	}
	reports.Close()
	want := []string{"is a simg image, which unboot can only read", `format "luks"`}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i, line := range got {
		if !strings.Contains(line, want[i]) || strings.ContainsAny(line, "\n\x1b") {
			t.Errorf("%q, want %q", line, want[i])
		}
	}
}

// TestReportTo has places that a report must not be written to.
func TestReportTo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tell(file, "line\n", isPipe) || tell(file, "line\n", isTerminal) {
		t.Error("a file has taken a report")
	}
	if data, err := os.ReadFile(file); string(data) != "keep" {
		t.Error(string(data), err)
	}
	reports, err := Listen(func(line string) { t.Errorf("%q", line) })
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(reports.Variable(), "=")
	reports.Close()
	if tell(path, "line\n", isPipe) {
		t.Error("a pipe that is closed has taken a report")
	}
}

// TestReportTerminal has a program whose environment "unboot env" has made.
func TestReportTerminal(t *testing.T) {
	testimg.Need(t, "guestfish", "script")
	cmd := exec.Command("script", "-qec", "guestfish --format=cow -a "+Quote(image(t))+" run", "/dev/null")
	cmd.Env = append(os.Environ(), testEnv(t).Variables()...)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `unboot-hv: drive /dev/sda: format "cow"`) {
		t.Errorf("%v\n%s", err, out)
	}
}
