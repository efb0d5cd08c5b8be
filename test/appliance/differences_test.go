package appliance

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// updateEnv makes TestPrograms rewrite the file of differences.
const updateEnv = "UNBOOT_UPDATE_DIFFERENCES"

const (
	differencesFile = "../../docs/differences.md"
	unexplained     = "Not explained yet"
)

// A difference is between what the appliance and unboot print for a command.
type difference struct {
	reason            string // a heading
	scenario, command string
	lines             []string // "-" and a line of the appliance, "+" and one of unboot
	met               bool
}

func (d *difference) is(scenario, command string) bool {
	return d.scenario == scenario && d.command == command
}

// differences are what is in the file: an introduction, and under a heading for each
// reason what differs for it. A command has one place, under its main reason.
type differences struct {
	intro   string
	reasons []string
	text    map[string]string // what else is said under a heading
	list    []*difference
}

// readDifferences parses the file. What it takes for a difference is a paragraph
//
//	`scenario`: followed by a block of the command and of the lines.
func readDifferences(t *testing.T) *differences {
	t.Helper()
	data, err := os.ReadFile(differencesFile)
	check(t, err)
	d := &differences{text: map[string]string{}}
	reason, name, block := "", "", []string(nil)
	inBlock := false
	for l := range strings.Lines(string(data)) {
		l = strings.TrimSuffix(l, "\n")
		switch {
		case inBlock && l == "```":
			inBlock = false
			n := 0
			for n < len(block) && (block[n][0] == '$' || block[n][0] == '>') {
				block[n] = block[n][2:]
				n++
			}
			d.list = append(d.list, &difference{reason: reason, scenario: name, command: strings.Join(block[:n], "\n"), lines: block[n:]})
			block = nil
		case inBlock:
			if l == "" {
				t.Fatalf("%s: an empty line in a block of %s", differencesFile, name)
			}
			block = append(block, l)
		case l == "```diff":
			inBlock = true
		case strings.HasPrefix(l, "## "):
			reason = l[3:]
			d.reasons = append(d.reasons, reason)
		case strings.HasPrefix(l, "`") && strings.HasSuffix(l, "`:"):
			name = strings.Trim(l, "`:")
		case reason == "":
			d.intro += l + "\n"
		default:
			d.text[reason] += l + "\n"
		}
	}
	return d
}

// find returns the known differences of a command.
func (d *differences) find(scenario, command string) *difference {
	for _, k := range d.list {
		if k.is(scenario, command) {
			return k
		}
	}
	return nil
}

// compare fails the test if a command has differences other than the known ones.
func (d *differences) compare(t *testing.T, scenario, command string, lines []string) {
	t.Helper()
	k := d.find(scenario, command)
	switch {
	case k == nil && lines != nil:
		t.Errorf("$ %s\n%s", command, strings.Join(lines, "\n"))
	case k != nil && lines == nil:
		t.Errorf("$ %s\nno longer differs; remove it from %s", command, differencesFile)
	case k != nil && !slices.Equal(k.lines, lines):
		t.Errorf("$ %s\n%s\nbut %s has:\n%s", command, strings.Join(lines, "\n"), differencesFile, strings.Join(k.lines, "\n"))
	}
}

// stale fails the test if a difference is of no command, or has no reason.
func (d *differences) stale(t *testing.T, all []*scenario) {
	t.Helper()
	for _, k := range d.list {
		known := slices.ContainsFunc(all, func(s *scenario) bool {
			return slices.ContainsFunc(s.commands, func(c command) bool { return k.is(s.name, c.text) })
		})
		if !known {
			t.Errorf("%s: %s has no such command:\n%s", differencesFile, k.scenario, k.command)
		}
		if k.reason == "" || k.reason == unexplained {
			t.Errorf("%s: %s has no reason:\n%s", differencesFile, k.scenario, k.command)
		}
	}
}

// update writes the file with what was found, and keeps the reasons. Of scenarios that
// did not run all stays.
func (d *differences) update(found []difference, ran map[string]bool) error {
	var list []*difference
	for i := range found {
		f := &found[i]
		f.reason = unexplained
		if k := d.find(f.scenario, f.command); k != nil {
			f.reason = k.reason
		}
		list = append(list, f)
	}
	for _, k := range d.list {
		if !ran[k.scenario] {
			list = append(list, k)
		}
	}
	d.list = list
	if !slices.Contains(d.reasons, unexplained) {
		d.reasons = append(d.reasons, unexplained)
	}
	var b strings.Builder
	b.WriteString(strings.TrimSpace(d.intro) + "\n")
	for _, reason := range d.reasons {
		var under strings.Builder
		for _, k := range d.list {
			if k.reason == reason {
				fmt.Fprintf(&under, "\n`%s`:\n\n```diff\n$ %s\n%s\n```\n", k.scenario, strings.ReplaceAll(k.command, "\n", "\n> "), strings.Join(k.lines, "\n"))
			}
		}
		if under.Len() == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n", reason)
		if text := strings.TrimSpace(d.text[reason]); text != "" {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
		b.WriteString(under.String())
	}
	return os.WriteFile(differencesFile, []byte(b.String()), 0o644)
}
