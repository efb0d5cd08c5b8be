package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnits: systemd finds nothing wrong with the units of the examples, and little that the
// service is exposed with.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, as := range map[string]string{"unboot.socket": "unboot.socket", "unboot@.service": "unboot@1.service"} {
		data, err := os.ReadFile(filepath.Join("../../examples/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		// What systemd looks for need not be installed where tests run.
		text := strings.ReplaceAll(string(data), "/usr/bin/unboot", "/bin/true")
		text = strings.ReplaceAll(text, "Documentation=man:unboot(1)\n", "")
		for _, as := range []string{name, as} {
			if err := os.WriteFile(filepath.Join(dir, as), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	socket, service := dir+"/unboot.socket", dir+"/unboot@1.service"
	out, err := exec.Command(analyze, "verify", socket, service).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// In tenths: 0.5 of 10.
	out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=5", service).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd judges no files")
	}
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
