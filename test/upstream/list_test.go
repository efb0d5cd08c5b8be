package upstream

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/internal/rig"
)

// What a test does.
const (
	pass   = "pass"
	fails  = "fail"
	skip   = "skip"
	slow   = "slow"
	notRun = "n-a"
)

// An expectation is what a list says of a test.
type expectation struct{ outcome, reason string }

// A list is a file of expectations, and what the tests did.
type list struct {
	file string
	want map[string]expectation

	mu  sync.Mutex
	got map[string]expectation // guarded by mu
}

func readList(t *testing.T, file string) *list {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	l := &list{file: file, want: map[string]expectation{}, got: map[string]expectation{}}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line+"\t\t", "\t", 3)
		outcome, name, reason := f[0], f[1], strings.Trim(f[2], "\t")
		if !slices.Contains([]string{pass, fails, skip, slow, notRun}, outcome) || name == "" || (outcome == pass) != (reason == "") {
			t.Errorf("%s: %q", file, line)
		}
		if _, twice := l.want[name]; twice {
			t.Errorf("%s: %s appears twice", file, name)
		}
		l.want[name] = expectation{outcome, reason}
	}
	return l
}

// runs reports whether to run a test.
func (l *list) runs(name string) bool {
	switch e := l.want[name]; e.outcome {
	case notRun:
	case slow:
		if os.Getenv("UNBOOT_UPSTREAM_SLOW") != "" {
			return true
		}
	default:
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[name] = l.want[name]
	return false
}

// did records the result of a test. The end of its output is shown if it is unexpected.
func (l *list) did(t testing.TB, name, outcome, output string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	want := l.want[name]
	got := expectation{outcome: outcome}
	if want.outcome == outcome || want.outcome == slow && outcome == pass {
		got = want
	} else {
		if want.outcome == "" {
			want.outcome = "no line"
		}
		report := t.Errorf
		if update() {
			report = t.Logf
		}
		report("%s: %s, in %s %s %s\n%s", name, outcome, l.file, want.outcome, want.reason, tail(output))
	}
	l.got[name] = got
}

// update reports whether lists are to be rewritten.
func update() bool { return os.Getenv("UNBOOT_UPSTREAM_UPDATE") != "" }

// end fails the test if the list has lines of tests that do not exist, and writes the
// list if that was asked for.
func (l *list) end(t *testing.T) {
	t.Helper()
	for name := range l.want {
		if _, there := l.got[name]; !there {
			t.Errorf("%s: there is no test %s", l.file, name)
		}
	}
	count := map[string]int{}
	for _, e := range l.got {
		count[e.outcome]++
	}
	t.Logf("%s: %v", l.file, count)
	if !update() {
		return
	}
	var out strings.Builder
	old, _ := os.ReadFile(l.file)
	for line := range strings.Lines(string(old)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		out.WriteString(line)
	}
	var lines []string
	for name, e := range l.got {
		lines = append(lines, strings.TrimRight(name+"\t"+e.outcome+"\t"+e.reason, "\t"))
	}
	slices.SortFunc(lines, compareNumbers)
	for _, line := range lines {
		f := strings.SplitN(line+"\t", "\t", 3)
		fmt.Fprintf(&out, "%s\n", strings.TrimRight(f[1]+"\t"+f[0]+"\t"+f[2], "\t"))
	}
	rig.Check(t, "write", os.WriteFile(l.file, []byte(out.String()), 0o644))
}

// compareNumbers sorts test_x_9 before test_x_10.
func compareNumbers(a, b string) int {
	key := func(s string) string {
		name, _, _ := strings.Cut(s, "\t")
		i := strings.LastIndexByte(name, '_')
		return fmt.Sprintf("%s%8s", name[:i+1], name[i+1:])
	}
	return strings.Compare(key(a), key(b))
}

func tail(s string) string {
	const most = 1500
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
