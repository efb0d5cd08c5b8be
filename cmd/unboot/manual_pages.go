package main

import (
	"fmt"
	"strconv"
	"strings"
)

// overviewPage is the manual page unboot(1).
func overviewPage(table []*command) string {
	r := newPage("unboot", "files in disk images and block devices")
	r.line(".SH SYNOPSIS")
	r.line(`\fBunboot\fR \fICOMMAND\fR [\fIARG\fR...]`)
	r.line(".SH DESCRIPTION")
	r.text(about)
	r.line(".PP")
	r.text(naming)
	r.line(".SH COMMANDS")
	for _, c := range table {
		r.term(`\fB`+roffText(c.name)+`\fR`+italic(strings.TrimPrefix(c.form(), c.name)), c.short+"; see unboot-"+c.name+"(1)")
	}
	r.line(".SH OPTIONS")
	r.text("Every command with an image has these options.")
	r.options(imageFlags())
	r.line(".SH KEYS")
	for i, text := range keysText {
		if i > 0 {
			r.line(".PP")
		}
		r.text(text)
	}
	r.exitStatus()
	r.line(".SH ENVIRONMENT")
	r.text(epoch)
	r.examples(overviewExamples)
	var names []string
	for _, c := range table {
		names = append(names, "unboot-"+c.name)
	}
	r.seeAlso(names...)
	return r.String()
}

// page is the manual page of a command.
func (c *command) page() string {
	r := newPage("unboot-"+c.name, c.short)
	r.line(".SH SYNOPSIS")
	for i, s := range c.synopsis {
		if i > 0 {
			r.line(".br")
		}
		r.line("%s", strings.TrimRight(fmt.Sprintf(`\fBunboot %s\fR %s`, roffText(c.name), italic(s)), " "))
	}
	r.line(".SH DESCRIPTION")
	r.text(c.long)
	if len(c.aliases) > 0 {
		r.line(".PP")
		r.text("It can also be called " + strings.Join(c.aliases, " or ") + ".")
	}
	flags := c.flags()
	if c.image {
		flags = append(flags, imageFlags()...)
	}
	if len(flags) > 0 {
		r.line(".SH OPTIONS")
		r.options(flags)
	}
	for i, g := range c.words {
		if i == 0 {
			r.line(".SH EXPRESSION")
		}
		r.line(".SS %s", g.title)
		for _, w := range g.words {
			r.term(`\fB`+roffText(w.name)+`\fR `+italic(w.arg), w.help)
		}
	}
	r.exitStatus()
	r.examples(c.examples)
	r.seeAlso("unboot")
	return r.String()
}

// exitStatus writes the table of exit statuses.
func (r *roff) exitStatus() {
	r.line(".SH EXIT STATUS")
	for _, s := range exitStatuses {
		r.term(strconv.Itoa(s.code), s.meaning)
	}
}
