package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The usage text of each command starts as all do, has all of its options, and fits a
// terminal; "unboot help" has all commands on one screen.
func TestUsage(t *testing.T) {
	texts := overview(commands)
	if n := strings.Count(texts, "\n"); n > 52 {
		t.Errorf("the overview has %d lines", n)
	}
	options := imageOptions()
	for _, s := range imageFlags() {
		if !strings.Contains(options, s.spelling()) {
			t.Errorf("the options of images lack %s", s.spelling())
		}
	}
	texts += options
	for _, c := range commands {
		text := c.usageText()
		if !strings.HasPrefix(text, "usage: unboot "+c.name) {
			t.Errorf("%s: %.40q", c.name, text)
		}
		if !strings.Contains(texts, "\n  unboot "+c.form()) || c.short == "" {
			t.Errorf("the overview lacks %s", c.name)
		}
		for _, s := range c.flags() {
			if !strings.Contains(text, "  "+s.spelling()+"\n") && !strings.Contains(text, "  "+s.spelling()+"  ") || s.help == "" {
				t.Errorf("the usage text of %s lacks %s", c.name, s.spelling())
			}
		}
		texts += text
	}
	for line := range strings.SplitSeq(texts, "\n") {
		if len(line) > usageWidth+1 {
			t.Errorf("too long a line: %s", line)
		}
	}
}

// No two options of a command have a spelling in common.
func TestOptionsDiffer(t *testing.T) {
	for _, c := range commands {
		seen := map[string]bool{}
		flags := c.flags()
		if c.image {
			flags = append(flags, imageFlags()...)
		}
		for _, s := range flags {
			for _, n := range s.names() {
				if seen[n] {
					t.Errorf("%s has %s twice", c.name, n)
				}
				seen[n] = true
			}
		}
	}
}

// An argument for each word of find's expression that has one.
var wordArguments = map[string]string{
	"-type": "f", "-printf": "%p", "-newermt": "2024-01-31", "(": "-true", "!": "-true", "-a": "-true", "-o": "-true",
}

// The parser of find knows each word of the table, and each word that it knows is in
// the table or is named there as another spelling.
func TestFindWords(t *testing.T) {
	parser := parserWords(t)
	var help strings.Builder
	for _, g := range findWords {
		for _, w := range g.words {
			help.WriteString(w.name + " " + w.help + "\n")
			switch {
			case strings.HasSuffix(w.arg, "E") || w.name == "(":
			case !parser[w.name]:
				t.Errorf("find does not know %s", w.name)
			case w.kind == kindInside || w.name == "-user" || w.name == "-group": // which need an image
			case w.arg != "":
				arg, ok := wordArguments[w.name]
				if !ok {
					arg = "1"
				}
				p := &findParser{f: &finder{}, args: []string{w.name, arg}}
				if _, err := p.parse(); err != nil {
					t.Errorf("%s %s: %v", w.name, arg, err)
				}
			default:
				p := &findParser{f: &finder{}, args: []string{w.name}}
				if _, err := p.parse(); err != nil {
					t.Errorf("%s: %v", w.name, err)
				}
			}
		}
	}
	for w := range parser {
		if !strings.Contains(help.String(), w) {
			t.Errorf("%s of find is in no text", w)
		}
	}
}

// parserWords returns the words in the source of find's parser.
func parserWords(t *testing.T) map[string]bool {
	data, err := os.ReadFile("find_expr.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for line := range strings.SplitSeq(string(data), "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, `case "-`) || strings.Contains(line, "-exec") {
			continue
		}
		for w := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(line, "case "), ":"), ", ") {
			if w = strings.Trim(w, `"`); w != "--json" {
				words[w] = true
			}
		}
	}
	if len(words) < 40 {
		t.Fatalf("only %d words found", len(words))
	}
	return words
}

// Each command has a manual page, which has all options and words, and which mandoc
// and groff take without a complaint.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if err := writeManual(dir, commands); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) != len(commands)+1 {
		t.Fatalf("%d pages for %d commands and unboot(1), %v", len(pages), len(commands), err)
	}
	for _, c := range commands {
		data, err := os.ReadFile(filepath.Join(dir, "unboot-"+c.name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		text := string(data)
		flags := c.flags()
		if c.image {
			flags = append(flags, imageFlags()...)
		}
		for _, s := range flags {
			for _, n := range s.names() {
				if !strings.Contains(text, `\fB`+roffText(n)+`\fR`) {
					t.Errorf("unboot-%s(1) lacks %s", c.name, n)
				}
			}
		}
		for _, g := range c.words {
			for _, w := range g.words {
				if !strings.Contains(text, `\fB`+roffText(w.name)+`\fR`) {
					t.Errorf("unboot-%s(1) lacks %s", c.name, w.name)
				}
			}
		}
	}
	lint(t, pages)
}

// lint has the checkers that are installed read manual pages.
func lint(t *testing.T, pages []string) {
	t.Run("mandoc", func(t *testing.T) {
		if _, err := exec.LookPath("mandoc"); err != nil {
			t.Skip(err)
		}
		out, _ := exec.Command("mandoc", append([]string{"-T", "lint"}, pages...)...).CombinedOutput()
		for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
			// Without one, the same source makes the same page.
			if line != "" && !strings.Contains(line, "missing date") {
				t.Error(line)
			}
		}
	})
	t.Run("groff", func(t *testing.T) {
		if _, err := exec.LookPath("groff"); err != nil {
			t.Skip(err)
		}
		out, err := exec.Command("groff", append([]string{"-man", "-Tutf8", "-ww", "-z"}, pages...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
