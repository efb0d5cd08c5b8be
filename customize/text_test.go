package customize

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/testimg"
)

// crypt(3) of the host makes the same of the password and the salt.
func TestHash(t *testing.T) {
	testimg.Need(t, "perl")
	for _, crypto := range cryptoNames {
		for _, password := range []string{"a", "correct horse: battery", "ümläut €", strings.Repeat("long ", 40), "it's $x `y` \\z"} {
			h, err := hash(password, crypto)
			if err != nil {
				t.Fatal(crypto, err)
			}
			cmd := exec.Command("perl", "-e", `$p = <STDIN>; chomp $p; $h = <STDIN>; chomp $h; print crypt($p, $h)`)
			cmd.Stdin = strings.NewReader(password + "\n" + h + "\n")
			out, err := cmd.Output()
			if err != nil || string(out) != h {
				t.Errorf("%s of %q: %s, crypt(3) has %s, %v", crypto, password, h, out, err)
			}
			if again, _ := hash(password, crypto); again == h {
				t.Errorf("%s: the same salt twice", crypto)
			}
		}
	}
	for _, bad := range []string{"a\x00b", "a\nb"} {
		if _, err := hash(bad, "sha512"); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestDefaultCrypto(t *testing.T) {
	for _, c := range []struct {
		distro string
		major  int
		want   string
	}{
		{"debian", 12, "yescrypt"}, {"debian", 10, "sha512"}, {"debian", 4, "md5"}, {"ubuntu", 24, "yescrypt"}, {"ubuntu", 18, "sha512"},
		{"rhel", 9, "yescrypt"}, {"rhel", 8, "sha512"}, {"rhel", 5, "md5"}, {"fedora", 40, "yescrypt"}, {"centos", 0, "sha512"},
		{"archlinux", 0, "yescrypt"}, {"alpinelinux", 3, "sha512"}, {"scientificlinux", 7, "sha512"}, {"sles", 15, "yescrypt"}, {"", 0, "sha512"},
	} {
		if got := defaultCrypto(&inspect.System{Type: inspect.Linux, Distro: c.distro, Major: c.major}); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.distro, c.major, got, c.want)
		}
	}
}

func TestSelector(t *testing.T) {
	for s, want := range map[string]account{
		"random": {random: true}, "disabled": {disabled: true}, "locked": {locked: true, disabled: true}, "lock:random": {locked: true, random: true},
		"password:a:b": {password: "a:b"}, "locked:password:x": {locked: true, password: "x"},
	} {
		var a account
		if err := a.selector(s); err != nil || a != want {
			t.Errorf("%s: %+v, %v", s, a, err)
		}
	}
	for _, s := range []string{"", "hush", "file:", "file:/nowhere", "random:x", "locked:locked:random", "locked:hush"} {
		var a account
		if err := a.selector(s); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAppendLine(t *testing.T) {
	for _, c := range []struct{ have, newline, want string }{
		{"", "\n", "x\n"}, {"", "\r\n", "x\r\n"}, {"a", "\n", "a\nx\n"}, {"a\n", "\r\n", "a\nx\n"},
		{"a\r\nb", "\n", "a\r\nb\r\nx\r\n"}, {"a\rb", "\n", "a\rb\rx\r"}, {"\x00", "\n", "\x00\nx\n"},
	} {
		if got := appendLine([]byte(c.have), "x", c.newline); string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.have, got, c.want)
		}
	}
}

func TestRenameHost(t *testing.T) {
	for _, c := range []struct{ have, old, name, want string }{
		{"127.0.1.1\told.org old\n", "old.org", "new.net", "127.0.1.1\tnew.net new\n"},
		{"127.0.1.1 old # old\r\n", "old", "new", "127.0.1.1 new # old\r\n"},
		{"::1  unassigned-hostname unassigned-hostname.unassigned-domain", "", "a.b", "::1  a a.b"},
		{"old old older\n# old\n\n", "old", "new", "old new older\n# old\n\n"},
		{"1 old.org", "old", "new.net", "1 old.org"},
	} {
		if got := renameHost([]byte(c.have), c.old, c.name); string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.have, got, c.want)
		}
	}
}

func TestParseCommands(t *testing.T) {
	got := parseCommands("# no\n\n delete /a b\r\nupdate\nedit /f:\\\n\ts/a/b/\nwrite /x:\\")
	want := []commandLine{{3, "delete", "/a b"}, {4, "update", ""}, {5, "edit", "/f:s/a/b/"}, {7, "write", `/x:\`}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// Whatever a table has, only the field changes, and only of the user.
func FuzzSetField(f *testing.F) {
	f.Add([]byte("root:*:1\nbob:!:2:3\n"), "bob")
	f.Add([]byte("root:*:1\r\n\x00:\n::\nno colon"), "root")
	f.Fuzz(func(t *testing.T, table []byte, name string) {
		if userName(name) != nil {
			return
		}
		changed, found := setField(table, name, 1, "FIELD")
		if found != (fields(table, name) != nil) {
			t.Fatalf("found: %v", found)
		}
		if !found && !bytes.Equal(changed, table) {
			t.Fatalf("%q became %q", table, changed)
		}
		if found && fields(changed, name)[1] != "FIELD" {
			t.Fatalf("%q", changed)
		}
		a, b := slices.Collect(bytes.Lines(table)), slices.Collect(bytes.Lines(changed))
		if len(a) != len(b) {
			t.Fatalf("%d lines became %d", len(a), len(b))
		}
		for i := range a {
			mine := strings.HasPrefix(string(a[i]), name+":")
			if !mine && !bytes.Equal(a[i], b[i]) {
				t.Fatalf("%q became %q", a[i], b[i])
			}
		}
	})
}

// A name that is not there changes nothing, and comments never change.
func FuzzRenameHost(f *testing.F) {
	f.Add([]byte("127.0.0.1 localhost old # old\n"), "old", "new.org")
	f.Fuzz(func(t *testing.T, text []byte, old, name string) {
		if strings.ContainsAny(old+name, " \t\r\n#") {
			return // names that setHostname never has
		}
		out := renameHost(text, old, name)
		if bytes.Count(out, []byte("\n")) != bytes.Count(text, []byte("\n")) {
			t.Fatalf("%q became %q", text, out)
		}
		if !bytes.Contains(text, []byte("unassigned")) && (old == "" || !bytes.Contains(text, []byte(strings.SplitN(old, ".", 2)[0]))) && !bytes.Equal(out, text) {
			t.Fatalf("%q became %q", text, out)
		}
	})
}

func FuzzParseCommands(f *testing.F) {
	f.Add("delete /a\n# b\nedit /c:\\\n s/a/b/\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range parseCommands(text) {
			if strings.ContainsAny(c.name, " \n") || strings.Contains(c.value, "\n") {
				t.Fatalf("%+v", c)
			}
		}
	})
}
