package hv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// sessionEnv makes TestSession record the appliance's answers: set it to 1 where qemu is,
// and give it two minutes.
const sessionEnv = "UNBOOT_RECORD_APPLIANCE"

// TestSession has guestfish run all commands of testdata/session/commands.txt, and
// compares what it prints with appliance.txt, what libguestfs' own appliance has
// answered. Where differences.txt lists a command, with the reason, the answers differ.
func TestSession(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "guestfish", "stdbuf", "mke2fs", "sfdisk", "setfattr", "setfacl", "setcap", "cpio", "gzip", "bzip2", "xz", "tar")
	dir := "testdata/session/"
	commands := lines(t, dir+"commands.txt")
	env := []string{"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"}
	record := os.Getenv(sessionEnv) != ""
	if !record {
		env = testEnv(t).Variables()
	}
	got := session(t, commands, env)
	if record {
		if err := os.WriteFile(dir+"appliance.txt", []byte(strings.Join(got, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(dir + "appliance.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := split(t, string(text), commands)
	differ := map[string]bool{}
	for _, l := range lines(t, dir+"differences.txt") {
		command, reason, ok := strings.Cut(l, "\t")
		if !ok || reason == "" {
			t.Errorf("differences.txt: %q has no reason", l)
		}
		differ[command] = false
	}
	for i, c := range commands {
		if got[i] == want[i] {
			continue
		}
		if _, known := differ[c]; !known {
			t.Errorf("%s\ngot  %q\nwant %q", c, got[i], want[i])
		}
		differ[c] = true
	}
	for c, does := range differ {
		if !does {
			t.Errorf("differences.txt: %q does not differ", c)
		}
	}
}

// lines returns the lines of a file that are not empty and no comments.
func lines(t *testing.T, name string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.SplitSeq(string(text), "\n") {
		if l != "" && !strings.HasPrefix(l, "#") {
			list = append(list, l)
		}
	}
	return list
}

// session returns what guestfish prints for each command. "@" in a command is a directory
// with the files up.txt and b64.txt.
func session(t *testing.T, commands, env []string) []string {
	t.Helper()
	dir := t.TempDir()
	img, second := filepath.Join(dir, "a.img"), filepath.Join(dir, "b.img")
	testimg.MustRun(t, "testdata/session/image.sh", img)
	for name, content := range map[string]string{"up.txt": "uploaded text\n", "b64.txt": "dXBsb2FkZWQgdGV4dAo=\n", "b.img": string(make([]byte, 8<<20))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var script strings.Builder
	fmt.Fprintf(&script, "add %s format:raw\nadd %s format:raw\nrun\n", img, second)
	for _, c := range commands {
		fmt.Fprintf(&script, "echo \"> %s\"\n-%s\n", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c), strings.ReplaceAll(c, "@", dir))
	}
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("stdbuf", "-oL", "guestfish", "-f", file)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out = bytes.ReplaceAll(out, []byte(dir), []byte("@"))
	return split(t, normal(string(out)), commands)
}

// split returns what was printed for each command, its own line included.
func split(t *testing.T, out string, commands []string) (list []string) {
	t.Helper()
	for i, c := range commands {
		if !strings.HasPrefix(out, "> "+c+"\n") {
			t.Fatalf("no output of %q:\n%.2000s", c, out)
		}
		end := len(out)
		if i+1 < len(commands) {
			// Output without an end of line is followed by the next command.
			if end = strings.Index(out[1:], "> "+commands[i+1]+"\n") + 1; end == 0 {
				t.Fatalf("no output of %q after that of %q:\n%.2000s", commands[i+1], c, out)
			}
		}
		list = append(list, out[:end])
		out = out[end:]
	}
	return list
}

// varying is what is another each time.
var varying = []struct{ re, to string }{
	{`(?m)^@/script:\d+: `, ""},
	{`(?m)_(sec|nsec): \d{4,}$`, "_$1: TIME"},
	{`st_atime_nsec: \w+`, "st_atime_nsec: TIME"},
	{`st_(ino|dev): \d+`, "st_$1: N"},
	{`(?m)\bino: \d+`, "ino: N"},
	{`(\d+) [A-Z][a-z]{2} [ 123]\d \d\d:\d\d `, "$1 TIME "},
	{`fsid: \d+`, "fsid: N"},
	{`/t[A-Za-z0-9]{6}\.x`, "/tXXXXXX.x"},
	// Where the appliance has mounted the guest is no matter of ours.
	{`/sysroot(/|\b)`, "/"},
	{`//`, "/"},
	{`(?m): /:`, ": /:"},
}

func normal(out string) string {
	for _, v := range varying {
		out = regexp.MustCompile(v.re).ReplaceAllString(out, v.to)
	}
	return out
}
