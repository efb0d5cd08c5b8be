package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// wordBreaks is COMP_WORDBREAKS as bash has it by default.
const wordBreaks = " \t\n\"'><=;|&(:"

func TestParseBash(t *testing.T) {
	for _, c := range []struct {
		line  string
		words string // joined by |
		cut   int
		open  byte
	}{
		{"unboot ", "unboot|", 0, 0},
		{"unboot ls a.img:/x", "unboot|ls|a.img:/x", 6, 0},
		{`unboot ls a\ b.img:/x\ `, "unboot|ls|a b.img:/x ", 8, 0},
		{`unboot ls 'a b.img:/x`, "unboot|ls|a b.img:/x", 0, '\''},
		{`unboot ls x"a:b`, "unboot|ls|xa:b", 1, '"'},
		{`unboot ls 'a b'.img:/x`, "unboot|ls|a b.img:/x", 8, 0},
		{`unboot ls "a\"\$\b`, `unboot|ls|a"$\b`, 0, '"'},
		{`unboot ls $'a\n\'\x41\101\e`, "unboot|ls|a\n'AA\x1b", 0, '$'},
		{`unboot ls $'\`, "unboot|ls|", 0, '$'},
		{`unboot ls \`, "unboot|ls|", 0, 0},
		{`unboot ls '' `, "unboot|ls||", 0, 0},
		{`unboot sum --algorithm=md`, "unboot|sum|--algorithm=md", 12, 0},
	} {
		l := parseBash(c.line, wordBreaks)
		if got := strings.Join(l.words, "|"); got != c.words || l.cut != c.cut || l.open != c.open {
			t.Errorf("%s: %q, %d, %q; want %q, %d, %q", c.line, got, l.cut, l.open, c.words, c.cut, c.open)
		}
	}
	if l := parseBash("unboot ls <a >b", wordBreaks); !l.redirect || strings.Join(l.words, "|") != "unboot|ls|b" {
		t.Errorf("%+v", l)
	}
}

// What is read of a line that a quoted candidate ends is that candidate, whatever quote
// is open, and no byte that a terminal obeys is in it.
func FuzzBashQuote(f *testing.F) {
	for _, name := range hostileNames {
		f.Add(name, uint8(0))
		f.Add(name, uint8(1))
		f.Add(name, uint8(2))
		f.Add(name, uint8(3))
	}
	f.Fuzz(func(t *testing.T, name string, quote uint8) {
		open := []string{"", "'", `"`, "$'"}[quote%4]
		l := bashLine{}
		if open != "" {
			l.open = open[0]
		}
		name = strings.ReplaceAll(name, "\x00", "")
		text := l.quote("_" + name)
		if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			t.Errorf("%q is quoted as %q", name, text)
		}
		got := parseBash("unboot "+open+text, wordBreaks)
		if w := got.words[len(got.words)-1]; w != "_"+name || got.open != l.open {
			t.Errorf("%q is quoted as %q, which is %q", name, text, w)
		}
	})
}

// Completion offers each command, and each option and word of each command.
func TestCompleteTable(t *testing.T) {
	offered := func(current string, before ...string) []string {
		var texts []string
		for _, c := range complete(newApp(commands, "test"), before, current, nil) {
			texts = append(texts, c.text)
		}
		return texts
	}
	names := offered("")
	for _, c := range commands {
		if !slices.Contains(names, c.name) {
			t.Errorf("%s is not offered", c.name)
		}
		flags := c.flags()
		if c.image {
			flags = append(flags, imageFlags()...)
		}
		options := offered("-", c.name)
		for _, s := range flags {
			for _, n := range s.names() {
				if !slices.Contains(options, n) {
					t.Errorf("%s %s is not offered", c.name, n)
				}
			}
			for _, v := range s.values {
				if got := offered("", c.name, s.names()[0]); !slices.Contains(got, v) {
					t.Errorf("%s %s %s is not offered", c.name, s.names()[0], v)
				}
			}
		}
		for _, g := range c.words {
			for _, w := range g.words {
				if got := offered(w.name, c.name, "image"); !slices.Contains(got, w.name) {
					t.Errorf("%s %s is not offered", c.name, w.name)
				}
			}
		}
	}
}

// What is offered where.
func TestComplete(t *testing.T) {
	needKernel(t)
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	if err := testimg.Copy(testimg.Debian(t, "ext4"), "disk.img"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notes.txt", "-odd"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line, after string // words, the last is at the cursor
		want        string // that are offered, and after ! that are not
	}{
		{"he", "", "help"},
		{"-", "", "-h -V --help !ls"},
		{"ls ", "", "disk.img disk.img:/ more/ !notes.txt"},
		{"cat ", "", "disk.img:/ !disk.img"},
		{"df ", "", "disk.img !disk.img:/"},
		{"cp ", "", "disk.img disk.img:/ notes.txt ./-odd more/"},
		{"ls ~/d", "", "~/disk.img ~/disk.img:/"},
		{"ls ~/disk.img:/etc/hostn", "", "~/disk.img:/etc/hostname"},
		{"ls disk.img:/etc/hostn", "", "disk.img:/etc/hostname"},
		{"ls disk.img:etc/hostn", "", "disk.img:etc/hostname"},
		{"ls disk.img:", "", "disk.img:/etc/ disk.img:/bin/ !disk.img"},
		{"ls disk.img:/bin/../etc/hostn", "", "disk.img:/bin/../etc/hostname"},
		{"ls disk.img:/root/", "", "!disk.img:/root/.profile"},
		{"ls disk.img:/root/.p", "", "disk.img:/root/.profile"},
		{"cat -m ", "disk.img:/etc", "/dev/sda1 /dev/sda15"},
		{"cat -m /dev/sda15 disk.img:/", "", "disk.img:/EFI/ !disk.img:/etc/"},
		{"cat --mount=/dev/sda15 disk.img:/", "", "disk.img:/EFI/"},
		{"cat disk.img:/", "-m /dev/sda15", "disk.img:/EFI/ !disk.img:/etc/"},
		{"sum --algorithm=sha2", "", "--algorithm=sha256 --algorithm=sha224 !--algorithm=md5"},
		{"sum -ra ", "", "md5"},
		{"sum -- -", "", "!-r"},
		{"mv disk.img:/etc/motd /etc/mo", "", "/etc/motd"},
		{"find disk.img -newer /etc/hostn", "", "/etc/hostname"},
		{"find disk.img -type ", "", "f d l"},
		{"find disk.img -name x -si", "", "-size"},
		{"find disk.img -m /dev/sda15 -si", "", "-size"},
		{"tar -o ", "", "notes.txt more/"},
		{"help st", "", "stat"},
		{"completion ", "", "bash zsh fish"},
		{"run -- guest", "", "guestfish"},
		{"run x --", "", "!--help"},
		{"nonsense ", "", "!disk.img"},
		{"ls nonsense.img:/", "", "!/"},
		{"write disk.img:/etc/motd ", "", "!disk.img:/ !disk.img"},
	} {
		before := strings.Split(c.line, " ")
		last := len(before) - 1
		a := newApp(commands, "test")
		var got []string
		for _, x := range complete(a, before[:last], before[last], strings.Fields(c.after)) {
			got = append(got, x.text)
		}
		if err := a.close(); err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
		for _, w := range strings.Fields(c.want) {
			not := strings.HasPrefix(w, "!")
			if slices.Contains(got, strings.TrimPrefix(w, "!")) == not {
				t.Errorf("%s: %q, want %s", c.line, got[:min(len(got), 30)], w)
			}
		}
	}
}
