package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// writeManual writes a manual page for the program, and one for each command, as
// man(7) has it: unboot.1, unboot-ls.1 and so on.
func writeManual(dir string, table []*command) error {
	pages := map[string]string{"unboot": overviewPage(table)}
	for _, c := range table {
		pages["unboot-"+c.name] = c.page()
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sourceWidth is that of a line of text in a page's source, in which escapes need some.
const sourceWidth = 70

// A roff builds a manual page.
type roff struct{ strings.Builder }

// newPage starts a page with its title and its one line of whatis(1).
func newPage(name, short string) *roff {
	r := &roff{}
	// Without a date, the same source makes the same page.
	r.line(`.TH %s 1 "" unboot "unboot manual"`, strings.ToUpper(roffText(name)))
	r.line(".SH NAME")
	r.line("%s \\- %s", roffText(name), roffText(short))
	return r
}

func (r *roff) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// roffSpecial has the characters that troff would take for something else, or would
// print as another one.
var roffSpecial = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// roffText escapes text. A line of it must not begin as a request does.
func roffText(s string) string {
	s = roffSpecial.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// arguments are the words of a synopsis that stand for something.
var arguments = regexp.MustCompile(`[A-Z]{2,}|\b[A-Z]\b`)

// italic escapes text whose words in capitals stand for something.
func italic(s string) string {
	return arguments.ReplaceAllString(roffText(s), `\fI$0\fR`)
}

// text writes what a usage text says: paragraphs, and indented lines as they are.
func (r *roff) text(s string) {
	for i, paragraph := range strings.Split(paragraphs(s, sourceWidth), "\n\n") {
		if i > 0 {
			r.line(".PP")
		}
		example := false
		for line := range strings.SplitSeq(strings.TrimRight(paragraph, "\n"), "\n") {
			if indented := strings.HasPrefix(line, "  "); indented != example {
				example = indented
				r.example(indented)
			}
			r.prose(strings.TrimLeft(line, " "))
		}
		if example {
			r.example(false)
		}
	}
}

// example begins or ends lines that stay as they are.
func (r *roff) example(begin bool) {
	if begin {
		r.line(".RS 4\n.nf")
	} else {
		r.line(".fi\n.RE")
	}
}

// term is one of a list, with its explanation.
func (r *roff) term(term, text string) {
	r.line(".TP\n%s", strings.TrimRight(term, " "))
	for _, line := range wrap(text, sourceWidth, 0) {
		r.prose(line)
	}
}

// prose writes one line of text.
func (r *roff) prose(line string) { r.line("%s", roffText(line)) }

// options explains options.
func (r *roff) options(flags []*flagSpec) {
	for _, s := range flags {
		var names []string
		for _, n := range s.names() {
			names = append(names, `\fB`+roffText(n)+`\fR`)
		}
		term := strings.Join(names, ", ")
		if s.arg != "" {
			term += " " + italic(s.arg)
		}
		r.term(term, s.help)
	}
}

// examples shows command lines.
func (r *roff) examples(lines []string) {
	if len(lines) == 0 {
		return
	}
	r.line(".SH EXAMPLES")
	r.example(true)
	for _, e := range lines {
		r.line("%s", roffText(e))
	}
	r.example(false)
}

// seeAlso names other pages.
func (r *roff) seeAlso(names ...string) {
	r.line(".SH SEE ALSO")
	for i, n := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		r.line(".BR %s (1)%s", roffText(n), end)
	}
}
