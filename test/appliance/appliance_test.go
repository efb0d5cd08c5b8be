package appliance

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// recordEnv makes TestPrograms record, see the package's comment.
const recordEnv = "UNBOOT_RECORD_APPLIANCE"

// TestPrograms runs all scenarios.
func TestPrograms(t *testing.T) {
	images := &shelf{dir: t.TempDir()}
	all := scenarios(t)
	if only := os.Getenv(recordEnv); only != "" {
		match := regexp.MustCompile(only)
		for _, s := range all {
			if match.MatchString(s.name) {
				t.Run(s.name, func(t *testing.T) { record(t, s, images) })
			}
		}
		return
	}
	env := engine(t)
	known := readDifferences(t)
	update := os.Getenv(updateEnv) != ""
	var found []difference
	ran := map[string]bool{}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			testimg.Need(t, s.programs()...)
			sh := newShell(t, s, images, env)
			for _, c := range s.commands {
				lines := changes(c.output, sh.run(t, c.text))
				if lines != nil {
					found = append(found, difference{scenario: s.name, command: c.text, lines: lines})
				}
				if !update {
					known.compare(t, s.name, c.text, lines)
				}
			}
			ran[s.name] = true
		})
	}
	if update {
		check(t, known.update(found, ran))
	}
	readDifferences(t).stale(t, all)
}

// record has the appliance run a scenario.
func record(t *testing.T, s *scenario, images *shelf) {
	testimg.Need(t, s.programs()...)
	sh := newShell(t, s, images, real())
	for i := range s.commands {
		c := &s.commands[i]
		c.output = sh.run(t, c.text)
		t.Logf("$ %s\n%q", c.text, c.output)
	}
	check(t, s.write())
}

// changes returns what is to be taken away from lines, each with "-", and what is to be
// added, with "+", to make them other lines.
func changes(from, to []string) (list []string) {
	for len(from) > 0 && len(to) > 0 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	for len(from) > 0 && len(to) > 0 && from[len(from)-1] == to[len(to)-1] {
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	// common[i][j] is the length of the longest common part of from[i:] and to[j:].
	common := make([][]int, len(from)+1)
	for i := range common {
		common[i] = make([]int, len(to)+1)
	}
	for i := range slices.Backward(from) {
		for j := range slices.Backward(to) {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if from[i] == to[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case i < len(from) && j < len(to) && from[i] == to[j]:
			i, j = i+1, j+1
		case i < len(from) && (j == len(to) || common[i+1][j] >= common[i][j+1]):
			list = append(list, "-"+from[i])
			i++
		default:
			list = append(list, "+"+to[j])
			j++
		}
	}
	return list
}
