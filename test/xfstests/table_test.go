package xfstests

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A key names a test on a type of file system.
type key struct{ fstype, test string }

// A line says how it ends.
type line struct{ result, reason string }

// readTable reads the tables that have lines such as "| ext4 | pass | 001-003, 005 | |".
func readTable(path string) (map[key]line, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	table := map[key]line{}
	for text := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(text), "|")
		if len(f) != 6 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if !slices.Contains([]string{pass, fail, notRun, long}, f[2]) {
			continue
		}
		tests, err := expand(f[3])
		if err != nil {
			return nil, err
		}
		for fstype := range strings.SplitSeq(f[1], ", ") {
			for _, name := range tests {
				k := key{fstype, name}
				if old, ok := table[k]; ok {
					return nil, fmt.Errorf("%s has %s on %s twice: %s and %s", path, name, fstype, old.result, f[2])
				}
				table[k] = line{f[2], f[4]}
			}
		}
	}
	return table, nil
}

// expand reads ranges, as 001-003, 005.
func expand(s string) (tests []string, err error) {
	for part := range strings.SplitSeq(s, ", ") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || to < from || to > 9999 {
			return nil, fmt.Errorf("%q: no range of tests", part)
		}
		for n := from; n <= to; n++ {
			tests = append(tests, fmt.Sprintf("%03d", n))
		}
	}
	return tests, nil
}

// ranges is the opposite of expand.
func ranges(tests []string) string {
	tests = slices.Sorted(slices.Values(tests))
	var parts []string
	for i := 0; i < len(tests); {
		j := i
		for j+1 < len(tests) && number(tests[j+1]) == number(tests[j])+1 {
			j++
		}
		switch {
		case j == i:
			parts = append(parts, tests[i])
		default:
			parts = append(parts, tests[i]+"-"+tests[j])
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// TestTable: what the documentation says can be read, and says something of each type.
func TestTable(t *testing.T) {
	table, err := readTable("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, fstype := range fstypes {
		n := 0
		for k, l := range table {
			if k.fstype != fstype {
				continue
			}
			n++
			if l.result != pass && l.reason == "" {
				t.Errorf("%s on %s has no reason", k.test, fstype)
			}
		}
		if n < 100 {
			t.Errorf("%s: only %d tests", fstype, n)
		}
	}
}

// TestRanges: what is written is read.
func TestRanges(t *testing.T) {
	for s, n := range map[string]int{"001": 1, "001-002": 2, "001-003, 005, 007-008, 750": 7} {
		tests, err := expand(s)
		if err != nil || len(tests) != n {
			t.Errorf("%s: %q, %v", s, tests, err)
		}
		if got := ranges(tests); got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
	for _, s := range []string{"", "1-", "3-1", "1,2", "1-99999"} {
		if tests, err := expand(s); err == nil {
			t.Errorf("%q: %q", s, tests)
		}
	}
}
