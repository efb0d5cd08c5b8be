package appliance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A scenario is a session of a shell: a file in testdata/scenario. Its lines begin with
//
//	#      a comment
//	image  NAME RECIPE: an image that is only read
//	copy   NAME RECIPE: one that may be written to
//	$      a command of the shell
//	>      another line of it
//	1      a line that it printed
//	2      a line that it printed on stderr
//	1~ 2~  the same, without an end of line
//	?      its exit status, unless 0
type scenario struct {
	name     string
	head     []string // comments and images, as they are in the file
	images   [][3]string
	commands []command
}

// A command and its result.
type command struct {
	before []string // comments
	text   string
	output []string // lines with their marks
}

const scenarioDir = "testdata/scenario"

// scenarios reads them all.
func scenarios(t *testing.T) (all []*scenario) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(scenarioDir, "*.txt"))
	check(t, err)
	for _, name := range names {
		s, err := readScenario(name)
		check(t, err)
		all = append(all, s)
	}
	return all
}

func readScenario(path string) (*scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &scenario{name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	var before []string
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSuffix(l, "\n")
		var last *command
		if n := len(s.commands); n > 0 {
			last = &s.commands[n-1]
		}
		mark, rest, _ := strings.Cut(l, " ")
		switch mark {
		case "image", "copy":
			name, recipe, ok := strings.Cut(rest, " ")
			if !ok || last != nil {
				return nil, fmt.Errorf("%s: %q", path, l)
			}
			s.images = append(s.images, [3]string{mark, name, recipe})
			s.head = append(s.head, append(before, l)...)
			before = nil
		case "$":
			s.commands = append(s.commands, command{before: before, text: rest})
			before = nil
		case ">":
			last.text += "\n" + rest
		case "1", "2", "1~", "2~", "?":
			last.output = append(last.output, l)
		default:
			if l != "" && !strings.HasPrefix(l, "#") {
				return nil, fmt.Errorf("%s: %q", path, l)
			}
			before = append(before, l)
		}
	}
	return s, nil
}

// text is what the file holds.
func (s *scenario) text() string {
	var b strings.Builder
	put := func(lines []string) {
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
	}
	put(s.head)
	for _, c := range s.commands {
		put(c.before)
		b.WriteString("$ " + strings.ReplaceAll(c.text, "\n", "\n> ") + "\n")
		put(c.output)
	}
	return b.String()
}

// path is where the file is.
func (s *scenario) path() string { return filepath.Join(scenarioDir, s.name+".txt") }

// marked returns lines of output with a mark.
func marked(mark, text string) (list []string) {
	for l := range strings.Lines(text) {
		if line, ok := strings.CutSuffix(l, "\n"); ok {
			list = append(list, strings.TrimRight(mark+" "+line, " "))
		} else {
			list = append(list, mark+"~ "+l)
		}
	}
	return list
}

// TestScenarios checks that a file that is rewritten stays as it is, and that each
// begins with a comment and has recordings.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios(t) {
		text, err := os.ReadFile(s.path())
		check(t, err)
		if got := s.text(); got != string(text) {
			t.Errorf("%s: would be written as\n%s", s.path(), got)
		}
		said := false
		for _, c := range s.commands {
			said = said || len(c.output) > 0
		}
		if !said || len(s.head) == 0 || !strings.HasPrefix(s.head[0], "# ") {
			t.Errorf("%s: no comment, or nothing recorded", s.path())
		}
	}
}
