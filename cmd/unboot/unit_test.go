package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // long, recursive, name, number, list, rest
		err  string
	}{
		{"-lR x", "true true  0 [] [x]", ""},
		{"x -l y -R", "true true  0 [] [x y]", ""},
		{"-lnname x", "true false name 0 [] [x]", ""},
		{"-ln name x", "true false name 0 [] [x]", ""},
		{"--name=a=b --number 7", "false false a=b 7 [] []", ""},
		{"--nam a", "false false a 0 [] []", ""},
		{"-i a -ib -- -l --name", "false false  0 [a b] [-l --name]", ""},
		{"- x", "false false  0 [] [- x]", ""},
		{"--nu 1", "false false  1 [] []", ""},
		{"--n 1", "", "no option --n"},
		{"--number x", "", `option --number: "x": not a number`},
		{"--recursive=yes", "", "takes no value"},
		{"--name", "", "needs a value"},
		{"-n", "", "needs a value"},
		{"-lq", "", "no option -q"},
		{"--recursiv -h", "", "help wanted"},
		{"--help", "", "help wanted"},
		{"--longg", "", "did you mean --long?"},
	} {
		var long, recursive bool
		var name string
		var number int
		var list []string
		f := &flagSet{}
		f.bool(&long, "l", "long", "")
		f.bool(&recursive, "R", "recursive", "")
		f.string(&name, "n", "name", "NAME", "")
		f.integer(&number, "", "number", "N", "")
		f.list(&list, "i", "item", "ITEM", "")
		rest, err := f.parse(strings.Fields(c.args))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.args, err, c.err)
			}
			continue
		}
		got := strings.Join([]string{strconv.FormatBool(long), strconv.FormatBool(recursive), name, strconv.Itoa(number), "[" + strings.Join(list, " ") + "]", "[" + strings.Join(rest, " ") + "]"}, " ")
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.args, got, err, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"plain-1.2_+,:@%/": "plain-1.2_+,:@%/",
		"":                 "''",
		"with space":       "'with space'",
		"it's":             `"it's"`,
		`it's "x"`:         `'it'\''s "x"'`,
		"~x":               "'~x'",
		"a~":               "a~",
		"new\nline":        `'new'$'\n''line'`,
		"\x1b[31m":         `$'\033''[31m'`,
		"\xff":             `$'\377'`,
		"ü日本🙂":             "ü日本🙂",
		"\u202e":           `$'\342\200\256'`, // turns the direction of writing
		"'\n":              `''\'''$'\n'`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "a/b", true}, {"a*c", "abc", true}, {"a*c", "abcd", false}, {"*.gz", ".gz", true},
		{"?", "ü", true}, {"?", "", false}, {"??", "ü", false}, {"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true}, {"[]x]", "]", true}, {"[a-", "[a-", true}, {"[[:digit:]]*", "7up", true},
		{"[[:alpha:]]", "ü", true}, {`\*`, "*", true}, {`\*`, "x", false}, {`a\`, `a\`, true}, {"[a-]", "-", true},
		{"a**b*c", "axxbyyc", true}, {"\xff*", "\xffz", true}, {"\xff", "\xfe", false}, {"*ü", "aü", true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 200), false}, // not forever
	} {
		g := newGlob(c.pattern, false)
		if got := g.match(c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
	if g := newGlob("ReadMe*", true); !g.match("README.TXT") {
		t.Error("not without regard to case")
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*[!b-c]?", "abcd")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g := newGlob(pattern, false)
		g.match(name)
		lit := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
		if g := newGlob(lit, false); !g.match(name) {
			t.Errorf("%q does not match itself as %q", name, lit)
		}
	})
}

func TestHuman(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1025: "1 KiB", 10240: "10 KiB", 10241: "10 KiB", 1 << 20: "1 MiB", 1<<20 - 1: "1 MiB",
		3 << 40: "3 TiB", 1<<64 - 1: "16 EiB", 1536 << 20: "1.5 GiB",
	} {
		if got := human(n); got != want {
			t.Errorf("human(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "a:b", "c:d:e"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for in, want := range map[string][2]string{
		"a": {"a", ""}, "a:/x": {"a", "/x"}, "a:b": {"a:b", ""}, "a:b:/x": {"a", "b:/x"}, "a:": {"a", "/"},
		"c:d:e:f": {"c:d:e", "f"}, "c:d": {"c", "d"}, "none:/x": {"none", "/x"}, "none": {"none", ""},
	} {
		// The directory's own path has no colon.
		got := parseTarget(filepath.Join(dir, in))
		if got.image != filepath.Join(dir, want[0]) || got.path != want[1] {
			t.Errorf("%s: %q, %q", in, got.image, got.path)
		}
	}
}

func TestParseMount(t *testing.T) {
	m, err := parseMount("UUID=x:/a/b/:ro,noatime,subvol=@:btrfs")
	if err != nil || m.Device != "UUID=x" || m.Dir != "a/b" || !m.ReadOnly || m.Data != "subvol=@" || m.Type != "btrfs" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := parseMount("sda"); err != nil || m.Dir != "." {
		t.Errorf("%+v, %v", m, err)
	}
	var bad *usageError
	for _, arg := range []string{"", "sda:/:loop", "sda:/:ro,bind"} {
		if _, err := parseMount(arg); !errors.As(err, &bad) {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"passwd", "group", "fstab", "os-release"}
	for in, want := range map[string]string{"passwrd": "passwd", "PASSWD": "passwd", "ftsab": "fstab", "os_release": "os-release", "xyz": "", "": ""} {
		if got := nearest(in, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	p := &progress{total: 100 << 20}
	p.bytes.Store(25 << 20)
	p.files.Store(12)
	if got := p.line(5 * time.Second); got != "[#######                       ]  25% 12 files, 25 MiB, 5 MiB/s, 15s left" {
		t.Error(got)
	}
	p.total = 0
	if got := p.line(5 * time.Second); got != "12 files, 25 MiB, 5 MiB/s" {
		t.Error(got)
	}
}

func TestParseSize(t *testing.T) {
	for v, want := range map[string]int64{
		"0": 0, "512": 512, "1k": 1 << 10, "10K": 10 << 10, "1.5G": 3 << 29, "10g": 10 << 30, "2GiB": 2 << 30,
		"0.5M": 1 << 19, "1T": 1 << 40, "3P": 3 << 50, "7E": 7 << 60, "9223372036854775807": 1<<63 - 1,
	} {
		if n, err := parseSize(v); n != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", v, n, err, want)
		}
	}
	for _, v := range []string{"", "K", "iB", "-1", "+1", "1/2", "1e3", "0x10", "1.5", "0.3K", "1KB", "1B", "1 K", "8E", "99999999999999999999", "1_000", "Inf", ".", "١"} {
		if n, err := parseSize(v); err == nil {
			t.Errorf("%q: %d", v, n)
		}
	}
}
