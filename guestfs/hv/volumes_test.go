package hv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// volumeDifferences are lines that the appliance prints and we do not, by what they say.
var volumeDifferences = []*regexp.Regexp{
	// Devices that are only parts of others have no names here: nobody is to use them.
	regexp.MustCompile(`^/dev/mapper/vg\w+-\w+[_-](rimage|rmeta|mimage|mlog|tdata|tmeta|tpool|real|cow|imeta|iorig)(_\w+)?(: \w+)?$`),
	regexp.MustCompile(`^/dev/mapper/vgt-pool(: \w+)?$`),
	// The numbers of devices are the kernel's.
	regexp.MustCompile(`^  lv_kernel_(major|minor): -?\d+$`),
}

// What differs each time that a fixture is made: it is compared with the fixture's record
// where the server is tested.
var volumeIDs = []*regexp.Regexp{
	regexp.MustCompile(`\b\w{6}(-\w{4}){5}-\w{6}\b`),
	regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`),
	regexp.MustCompile(`\b[0-9a-f]{8}(:[0-9a-f]{8}){3}\b`),
	regexp.MustCompile(`_uuid: \w{32}\b`),
	regexp.MustCompile(`\b[0-9.]+ %`),
}

// TestVolumes has guestfish list, open and close volumes that the real tools made, and compares
// what it prints with what it prints on libguestfs's own appliance. It is recorded as in
// [TestSession]. The first line of a file NAME.fish names the fixtures whose disks it is about,
// the others are commands; NAME.txt has what is printed for each after "> ". A command that
// wants a key gets "secret".
func TestVolumes(t *testing.T) {
	testimg.Need(t, "guestfish")
	scripts, err := filepath.Glob("testdata/volumes/*.fish")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	record := os.Getenv(sessionEnv) != ""
	for _, script := range scripts {
		name := strings.TrimSuffix(script, ".fish") + ".txt"
		t.Run(filepath.Base(script), func(t *testing.T) {
			env := []string{"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"}
			if !record {
				env = testEnv(t).Variables()
			}
			got := runVolumes(t, script, env)
			if record {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			printed := records(got)
			for command, text := range records(string(want)) {
				if g, w := volumesNormal(printed[command]), volumesNormal(text); g != w {
					t.Errorf("%s\ngot:\n%swant:\n%s", command, g, w)
				}
			}
		})
	}
}

// volumesNormal leaves out what may differ.
func volumesNormal(text string) string {
	for _, id := range volumeIDs {
		text = id.ReplaceAllString(text, "ID")
	}
	var b strings.Builder
lines:
	for line := range strings.Lines(text) {
		for _, d := range volumeDifferences {
			if d.MatchString(strings.TrimSuffix(line, "\n")) {
				continue lines
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// runVolumes returns what guestfish prints for the commands of a file.
func runVolumes(t *testing.T, script string, env []string) string {
	t.Helper()
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	args := []string{"--ro", "--format=raw", "--keys-from-stdin"}
	for _, name := range strings.Fields(first)[1:] {
		for _, disk := range testvol.Unpack(t, name) {
			args = append(args, "-a", disk)
		}
	}
	seen := map[string]int{}
	var in strings.Builder
	in.WriteString("run\n")
	for line := range strings.Lines(rest) {
		command := strings.TrimSpace(line)
		shown := command
		if seen[command]++; seen[command] > 1 {
			shown = fmt.Sprint(command, " #", seen[command])
		}
		fmt.Fprintf(&in, "echo \"> %s\"\n-%s\n", shown, command)
		if strings.HasPrefix(command, "luks-open") || strings.HasPrefix(command, "cryptsetup-open") {
			in.WriteString("secret\n")
		}
	}
	cmd := exec.Command("guestfish", args...)
	cmd.Stdin = strings.NewReader(in.String())
	cmd.Env = append(append(os.Environ(), "LC_ALL=C.UTF-8"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("guestfish: %v\n%s", err, out)
	}
	return regexp.MustCompile(`(?m)^.*libguestfs: error`).ReplaceAllString(string(out), "error")
}
