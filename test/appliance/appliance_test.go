package appliance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// recordEnv makes TestPrograms record, see the package's comment.
const recordEnv = "UNBOOT_RECORD_APPLIANCE"

// TestPrograms runs all scenarios.
func TestPrograms(t *testing.T) {
	needLibguestfs(t)
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
	var mu sync.Mutex
	found, ran := map[string][]difference{}, map[string]bool{}
	t.Run("scenario", func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				sh := newShell(t, s, images, env)
				var list []difference
				for _, c := range s.commands {
					lines := changes(usualLines(c.output), sh.run(t, c.text))
					if lines != nil {
						list = append(list, difference{scenario: s.name, command: c.text, lines: lines})
					}
					if !update {
						known.compare(t, s.name, c.text, lines)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				found[s.name], ran[s.name] = list, true
			})
		}
	})
	if update {
		var list []difference
		for _, s := range all {
			list = append(list, found[s.name]...)
		}
		check(t, known.update(list, ran))
	}
	readDifferences(t).stale(t, all)
}

// recorded is the version of libguestfs whose appliance has been recorded. Others have
// other words.
const recorded = "1.48."

// needLibguestfs skips the test if that version is not there.
func needLibguestfs(t *testing.T) {
	t.Helper()
	out := testimg.MustRun(t, "guestfish", "--version")
	if f := strings.Fields(out); len(f) != 2 || !strings.HasPrefix(f[1], recorded) {
		t.Skipf("%s is here, and libguestfs %sx was recorded", strings.TrimSpace(out), recorded)
	}
}

// record has the appliance run a scenario.
func record(t *testing.T, s *scenario, images *shelf) {
	sh := newShell(t, s, images, real())
	for i := range s.commands {
		c := &s.commands[i]
		c.output = sh.run(t, c.text)
		t.Logf("$ %s\n%q", c.text, c.output)
	}
	check(t, os.WriteFile(s.path(), []byte(s.text()), 0o644))
}

// changes returns the lines to remove, each with "-", and the lines to add, with "+", to
// turn one list of lines into the other.
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

func TestChanges(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"", "", ""},
		{"a b c", "a b c", ""},
		{"a b c", "a c", "-b"},
		{"a c", "a b c", "+b"},
		{"a b c d", "a x c y d", "-b +x +y"},
		{"", "a b", "+a +b"},
		{"a b", "", "-a -b"},
		{"a b a", "b a b", "-a +b"},
	} {
		got := strings.Join(changes(strings.Fields(test.from), strings.Fields(test.to)), " ")
		if got != test.want {
			t.Errorf("%q to %q: %q, want %q", test.from, test.to, got, test.want)
		}
	}
}
