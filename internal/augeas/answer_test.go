package augeas

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWords quotes arguments.
func TestWords(t *testing.T) {
	for s, want := range map[string]string{
		"":           `""`,
		"a b":        `"a b"`,
		`a"b\`:       `"a\"b\\"`,
		"a\tb\nc":    `"a\tb\nc"`,
		"\x1b\x16\r": "\"\x16\x1b\x16\x16\r\"",
		"[[ä\xff":    "\"[[ä\xff\"",
	} {
		if got, err := quote(s); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", s, got, err, want)
		}
	}
	if _, err := quote("a\x00"); !errors.Is(err, unix.EINVAL) {
		t.Error(err)
	}
	for s, want := range map[string]string{
		"/":           `"/"`,
		"/a/*[b='c']": `"/a/*[b='c']"`,
		`/a\[b`:       `"/a\[b"`,
		`/a\\[1]`:     `"/a\\\\[1]"`,
		`/a\ b`:       `"/a\\ b"`,
		"/a['['":      `"/a['['` + closing + closing + `"`,
		"/a/":         `"` + beginning + "/a/" + ending + `"`,
		`/a\ `:        `"` + beginning + `/a\\ ` + ending + `"`,
	} {
		if got, err := quotePath(s); got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", s, got, err, want)
		}
	}
	if _, err := quotePath("/a[. = ']']"); err != ErrBrackets {
		t.Error(err)
	}
	for s, want := range map[string]string{"/a]": "/a|=|]", "a][": "a|=|][", "[b]]": "[b]|=|]", "/a[": "/a[|=|"} {
		var said *Error
		if _, err := quotePath(s); !errors.As(err, &said) || said.Details != want {
			t.Errorf("%q: %v", s, err)
		}
	}
	a := Handle{}
	a.defined("v", false)
	for s, bad := range map[string]bool{"$v": true, "$v/x": true, "/a[b = $v]": true, "$vw": false, "/v": false, "$": false} {
		if _, err := a.path(s); (err != nil) != bad {
			t.Errorf("%q: %v", s, err)
		}
	}
	a.defined("v", true)
	if _, err := a.path("$v"); err != nil {
		t.Error(err)
	}
}

// TestAnswers parses answers as they are, and as they must not be.
func TestAnswers(t *testing.T) {
	if err := parseError("error: A\nerror: B\nC\nD\n"); err == nil || err.Error() != "A: B: C\nD" {
		t.Error(err)
	}
	if err := parseError("error: A\n"); err == nil || err.Error() != "A" {
		t.Error(err)
	}
	if err := parseError("/error: A\n"); err != nil {
		t.Error(err)
	}
	for answer, want := range map[string]error{
		"/a = (o)\n": nil, "/a = x\ny\n": nil, "/a = \n": nil,
		"/a (o)\n": ErrNoNode, "/a (none)\n": ErrNoValue,
	} {
		if v, err := parseValue("/a", answer); err != want || err == nil && "/a = "+v+"\n" != answer {
			t.Errorf("%q: %q, %v", answer, v, err)
		}
	}
	for _, answer := range []string{"", "\n", "/a", "/a\n", "/a =\n", "/b = x\n", "/a = x"} {
		if v, err := parseValue("/a", answer); err == nil {
			t.Errorf("%q: %q", answer, v)
		}
	}
	paths, ok := parseMatch("/a\\ =\\ b = x\n/b[2] (none)\n/c = \n", 3)
	if !ok || !slices.Equal(paths, []string{`/a\ =\ b`, "/b[2]", "/c"}) {
		t.Errorf("%q", paths)
	}
	for answer, n := range map[string]int{"/a = x\n/b = y\n": 1, "/a = x\ny\n": 2, "/a = x\n": 2, "": 1, "x = y\n": 1, "/a = x": 1} {
		if paths, ok := parseMatch(answer, n); ok {
			t.Errorf("%q: %q", answer, paths)
		}
	}
	for answer, want := range map[string]int{"  no matches\n": 0, "  1 match\n": 1, "  20 matches\n": 20, "": -1, "-1": -1} {
		if n, err := parseCount(answer); n != max(want, 0) || (err != nil) != (want < 0) {
			t.Errorf("%q: %d, %v", answer, n, err)
		}
	}
	for answer, want := range map[string]int{"rm : /a 3\n": 3, "rm : /a 1 0\n": 0, "rm": -1, "rm : x": -1, "rm : -1": -1} {
		if n, err := parseRm(answer); n != max(want, 0) || (err != nil) != (want < 0) {
			t.Errorf("%q: %d, %v", answer, n, err)
		}
	}
}

// FuzzAnswer parses any answers.
func FuzzAnswer(f *testing.F) {
	f.Add("/a", "/a = x\n/b (none)\n", 2)
	f.Add("/a", "/a (o)\n", 0)
	f.Add("x", "error: A\nerror: B\nC\n", 1)
	f.Add("", "rm : /a 3\n", 1)
	f.Add("", "  3 matches\n", 1)
	f.Add("", "/a\\\n b = \\", 1)
	f.Fuzz(func(t *testing.T, path, answer string, n int) {
		if v, err := parseValue(path, answer); err == nil && path+" = "+v+"\n" != answer {
			t.Errorf("%q", v)
		}
		if paths, ok := parseMatch(answer, n); ok && n > 0 && len(paths) != n {
			t.Errorf("%d paths", len(paths))
		}
		if p, ok := parseNode(answer); ok && (p == "" || p[0] != '/' || !strings.HasPrefix(answer, p+" ")) {
			t.Errorf("%q", p)
		}
		if k, err := parseCount(answer); k < 0 || err != nil && k != 0 {
			t.Error(k, err)
		}
		if k, err := parseRm(answer); k < 0 || err != nil && k != 0 {
			t.Error(k, err)
		}
		if err := parseError(answer); err != nil && err.Error() == "" && answer != "error: " && answer != "error: \n" {
			t.Errorf("%#v", err)
		}
		// A quoted string is one line, and ends where it should.
		if w, err := quote(path); err == nil && (strings.ContainsAny(w, "\n\t") || !strings.HasSuffix(w, `"`)) {
			t.Errorf("%q", w)
		}
	})
}
