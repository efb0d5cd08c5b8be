package hv

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// TestInspect has the programs of libguestfs-tools and guestfs-tools inspect disks, and
// compares what they print with what they print on libguestfs' own appliance. It is
// recorded as in [TestSession], but for commands that are in the record.
func TestInspect(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "guestfish", "virt-inspector", "virt-cat", "virt-ls", "virt-log", "virt-get-kernel", "virt-win-reg", "sh")
	dir := "testdata/inspect/"
	commands := lines(t, dir+"commands.txt")
	env := []string{"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"}
	record := os.Getenv(sessionEnv) != ""
	if !record {
		env = testEnv(t).Variables()
	}
	windows, out := testguest.Windows(t), t.TempDir()
	names := []string{"@debian", testimg.Debian(t, "ext4"), "@fedora", testguest.Fedora(t, nil), "@windows", windows,
		"@copy", testimg.Writable(t, windows), "@dir", out}
	if testguest.HasJournal() {
		names = append(names, "@journal", testguest.Fedora(t, testguest.Journal(t, 300)))
	} else {
		t.Log("without systemd-journal-remote there is no journal")
	}
	images := strings.NewReplacer(names...)
	text, err := os.ReadFile(dir + "appliance.txt")
	if err != nil {
		t.Fatal(err)
	}
	recorded := records(string(text))
	for _, c := range commands {
		line := images.Replace(c)
		if strings.Contains(line, "@journal") {
			continue
		}
		if _, known := recorded[c]; record && known {
			continue
		}
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), "LC_ALL=C.UTF-8"), env...)
		b, err := cmd.CombinedOutput()
		got := strings.ReplaceAll(string(b), out, "@dir")
		if err != nil {
			got += fmt.Sprintf("%v\n", err)
		}
		got = inspectNormal(got)
		if record {
			recorded[c] = got
		} else if got != recorded[c] {
			compareLines(t, c, got, recorded[c])
		}
	}
	if record {
		var b strings.Builder
		for _, c := range commands {
			fmt.Fprintf(&b, "> %s\n%s", c, recorded[c])
		}
		if err := os.WriteFile(dir+"appliance.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// records splits a record into what was printed for each command.
func records(text string) map[string]string {
	m := map[string]string{}
	command := ""
	for line := range strings.Lines(text) {
		if c, ok := strings.CutPrefix(line, "> "); ok {
			command = strings.TrimSuffix(c, "\n")
			m[command] = ""
		} else {
			m[command] += line
		}
	}
	return m
}

// inspectVarying is what is another for each image, or of a version of Debian.
var inspectVarying = []struct{ re, to string }{
	{`<uuid>[0-9A-F]{16}</uuid>`, "<uuid>NTFS</uuid>"},
	{`(?s)<applications>.*<name>adduser<.*?</applications>`, "<applications>Debian's</applications>"},
	{`(<product_name>|<minor_version>)[0-9.]+<`, "${1}N<"},
	{`(?s)<icon>.{1000,}</icon>`, "<icon>ICON</icon>"},
	{`/sysroot(/|\b)`, "/"},
	{`/tmp/[A-Za-z0-9]{10}/`, "/tmp/DIR/"},
}

func inspectNormal(out string) string {
	for _, v := range inspectVarying {
		out = regexp.MustCompile(v.re).ReplaceAllString(out, v.to)
	}
	return out
}

// compareLines compares answers line by line, but for lines that differ for a reason. The
// entries of a hashtable come in no order.
func compareLines(t *testing.T, command, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(g) != len(w) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", command, got, want)
		return
	}
	slices.Sort(g)
	slices.Sort(w)
	for i := range g {
		if g[i] != w[i] && inspectDifferences[w[i]] != g[i] {
			t.Errorf("%s\ngot  %q\nwant %q", command, g[i], w[i])
		}
	}
}

// inspectDifferences are lines that the appliance prints, and what we print in their place.
var inspectDifferences = map[string]string{
	// dnf has replaced yum since Fedora 22, as guestfs(3) has it.
	"    <package_management>yum</package_management>": "    <package_management>dnf</package_management>",
	// The message gets through.
	"*stdin*:7: libguestfs: error: file receive cancelled by daemon": "*stdin*:7: libguestfs: error: internal_journal_get: sd_journal_enumerate_data: Cannot assign requested address",
}
