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

// sourceWidth is the width of a line in a page's source, before escapes make it longer.
const sourceWidth = 70

// A roff builds a manual page.
type roff struct{ strings.Builder }

// newPage starts a page with its title and the line that whatis(1) shows.
func newPage(name, short string) *roff {
	r := &roff{}
	// Without a date, the same source makes the same page.
	r.line(`.TH %s 1 "" unboot "unboot manual"`, strings.ToUpper(roffText(name)))
	r.line(".SH NAME")
	r.line("%s \\- %s", roffText(name), roffText(short))
	return r
}

func (r *roff) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// roffSpecial escapes the characters that troff interprets, or prints as others: without
// this, a hyphen could not be searched for or pasted into a shell as a minus sign.
var roffSpecial = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// roffText escapes text. A line that begins with a dot would be a request; the other
// character that begins one, the apostrophe, is escaped everywhere.
func roffText(s string) string {
	s = roffSpecial.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// arguments matches the placeholders of a synopsis, which are in capitals.
var arguments = regexp.MustCompile(`[A-Z]{2,}|\b[A-Z]\b`)

// italic escapes text and sets its placeholders in italics.
func italic(s string) string {
	return arguments.ReplaceAllString(roffText(s), `\fI$0\fR`)
}

// text writes the paragraphs of a usage text. Indented lines are examples, and keep their
// breaks.
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

// term writes an item of a list with its explanation.
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
