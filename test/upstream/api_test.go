package upstream

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
)

// TestAPI runs the tests of the C API, which are one program, with one session for all.
func TestAPI(t *testing.T) {
	top := source(t)
	l := readList(t, "testdata/api.txt")
	dir := build(t, top, top+"/test-data")
	program := filepath.Join(dir, "api-tests")
	compile(t, top, program, "tests/c-api/tests.c", "tests/c-api/tests-main.c")
	here := filepath.Join(dir, "tests")
	rig.Check(t, "mkdir", os.MkdirAll(filepath.Join(here, "c-api"), 0o755))
	env := append(environment(t), harness(dir, "tests")...)
	for name := range l.want {
		if !l.runs(name) {
			env = append(env, "SKIP_"+strings.ToUpper(name)+"=1")
		}
	}
	_, out := run(here, env, 10*time.Minute, program)
	var name string
	var text strings.Builder
	flush := func() {
		if _, done := l.got[name]; name != "" && !done {
			l.did(t, name, apiOutcome(text.String()), text.String())
		}
		name = ""
		text.Reset()
	}
	n := 0
	for line := range strings.Lines(out) {
		if m := apiHeader.FindStringSubmatch(line); m != nil {
			flush()
			name = m[1]
			n++
		}
		text.WriteString(line)
	}
	flush()
	if n == 0 {
		t.Fatal(tail(out))
	}
	l.end(t)
}

var (
	apiHeader = regexp.MustCompile(`^ *\d+/\d+ (test_\w+)\n`)
	apiSkip   = regexp.MustCompile(`(?m)^ +\S+ skipped \(reason: `)
)

func apiOutcome(text string) string {
	switch {
	case strings.Contains(text, "\nFAIL: "):
		return fails
	case apiSkip.MatchString(text):
		return skip
	}
	return pass
}
