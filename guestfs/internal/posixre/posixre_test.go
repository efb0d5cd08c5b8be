package posixre

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const text = `a+b
aab
A.B
(x)
	Tab line
foo123bar
x{2}
xx
$dollar
^caret
word wordy
[br]
*star
a|b
a\b
]bracket
-dash
{1
a{,2}
end$
äöü
under_score

aXb aab
`

var expressions = []string{
	"root", "a+b", `a\+b`, "a.b", "^a", "b$", "^$", "", "*star", "^*star", `\(*star`, `\(^a\)`, `a\|x`, `\(a\|x\)[ax]`,
	"[[:digit:]]\\{3\\}", "[[:digit:]]{3}", "x{2}", `x\{2\}`, `x\{2`, `x\{a\}`, `x\{2,1\}`, `x\{,2\}`, `word\>`, `\<word`, `\bword\b`,
	`\Bord`, `\w\W`, `[]b]`, `[^]a-z]`, `[a-c]\{2,\}`, "$dollar", `\$dollar`, "a^b", "a$b", "[", "[a", "[[:nope:]]", "[[:alpha:]",
	"[z-a]", "[a-]", "[-a]", `[\]`, `a\`, `\)`, `\(`, "(x", "x)", "()", "a||b", "|a", "a|", "a**", "a+*", "(a|x)+b", "a{,2}", "{1", "a{1",
	"a{1}{2}", "+", "?a", "^*", "(*b)", "(+b)", "[[.a.]]", "[[=a=]]x", "[[.hyphen.]]", `[[:space:]]T`, `\sT`, `\S\S\S\S\S\S\S\S\S`,
	"ä", "[ä]", "^.{6}$", `^.\{6\}$`, "^...$", `a\{1\}b`, `a\?b`, "a?b", `\.`, `A\.B`, "one\ntwo", "xx\nfoo", `\tT`, "^a\\|^x", "(^a|d$)", "a|^", "[a-z]*$",
	`\(a*\)*b`, "[^[:alnum:]_]", `\^caret`, "[x^]caret", "a{1001}", "word|", `\{1`, "a\\{1\\}\\{2\\}",
}

// TestGrep compares with grep(1).
func TestGrep(t *testing.T) {
	grep, err := exec.LookPath("grep")
	if err != nil {
		t.Skip(err)
	}
	for _, o := range []Options{{}, {Extended: true}, {Fixed: true}, {Insensitive: true}, {Extended: true, Insensitive: true}} {
		for _, expr := range expressions {
			flag := "-a"
			if o.Extended {
				flag += "E"
			}
			if o.Fixed {
				flag += "F"
			}
			if o.Insensitive {
				flag += "i"
			}
			cmd := exec.Command(grep, flag, "-e", expr)
			cmd.Env = append(os.Environ(), "LC_ALL=C")
			cmd.Stdin = strings.NewReader(text)
			want, err := cmd.Output()
			failed := err != nil && cmd.ProcessState.ExitCode() > 1
			re, err := Compile(expr, o)
			if failed || err != nil {
				if failed != (err != nil) && err != ErrTooBig {
					t.Errorf("%s %q: error %v, grep's %t", flag, expr, err, failed)
				}
				continue
			}
			var got []byte
			for line := range bytes.Lines([]byte(text)) {
				if re.Match(bytes.TrimSuffix(line, []byte("\n"))) {
					got = append(got, line...)
				}
			}
			if string(got) != string(want) {
				t.Errorf("%s %q:\n%s\nwant\n%s", flag, expr, got, want)
			}
		}
	}
}

func TestReference(t *testing.T) {
	if _, err := Compile(`\(.\)\1`, Options{}); err != ErrReference {
		t.Error(err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, e := range expressions {
		f.Add(e, e, true, true)
		f.Add(e, text, false, false)
	}
	f.Fuzz(func(t *testing.T, expr, line string, extended, insensitive bool) {
		if re, err := Compile(expr, Options{Extended: extended, Insensitive: insensitive}); err == nil {
			re.Match([]byte(line))
		}
	})
}
