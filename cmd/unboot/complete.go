package main

import (
	"slices"
	"strings"
	"time"
)

// A candidate is a word that may stand where the cursor is.
type candidate struct {
	text string
	help string
	more bool // more of the word is to come: no blank after it
}

// A completer answers for one command line.
type completer struct {
	a       *app
	cmd     *command
	args    []string // those that are not options, before the cursor and after it
	current string   // the word at the cursor, up to it
	found   []candidate
}

// completeTime is how long the kernel of an image may take to answer, in elapsed and in
// processor time, unless the command line says otherwise: a user at a prompt does not
// wait longer, and a damaged image might never answer.
const completeTime = 5 * time.Second

// complete returns what may stand where the cursor is, sorted. The words are those
// after "unboot". Errors are not reported: the command line is incomplete, so they are
// to be expected, and a message would end up in the middle of it.
func complete(a *app, before []string, current string, after []string) []candidate {
	c := &completer{a: a, current: current}
	// A key press does not wait for another program to finish writing: an answer that
	// is out of date does no harm.
	a.patience = 0
	// Set before the words are scanned, where --timeout and --cpu-limit may replace
	// them.
	a.opts.timeout, a.opts.cpu = completeTime, completeTime
	if len(before) == 0 {
		c.commands()
	} else if c.cmd = commandNamed(a.table, before[0]); c.cmd != nil {
		c.word(before[1:], after)
	}
	slices.SortFunc(c.found, func(x, y candidate) int { return strings.Compare(x.text, y.text) })
	// Several directories of PATH may have the same program.
	return slices.CompactFunc(c.found, func(x, y candidate) bool { return x.text == y.text })
}

// offer adds a candidate, if the word at the cursor is its start.
func (c *completer) offer(text, help string, more bool) {
	if strings.HasPrefix(text, c.current) {
		c.found = append(c.found, candidate{text, help, more})
	}
}

// commands offers the commands, and their other names if the word is the start of one.
func (c *completer) commands() {
	for _, cmd := range c.a.table {
		c.offer(cmd.name, cmd.short, false)
		// Offered without being asked for, they would look like commands of their own.
		for _, alias := range cmd.aliases {
			if c.current != "" {
				c.offer(alias, cmd.short, false)
			}
		}
	}
}

// word offers what a command takes where the cursor is.
func (c *completer) word(before, after []string) {
	f := &flagSet{}
	c.cmd.options(f)
	if c.cmd.image {
		f.image(&c.a.opts)
	}
	s := scan{cmd: c.cmd, flags: f, options: true}
	for _, w := range before {
		s.next(w)
	}
	// What the cursor is at depends on the words before it only, so this is saved
	// before those after it are scanned.
	pending, options, n := s.pending, s.options, len(s.args)
	// The words after the cursor matter too: an -m or --add among them decides what
	// the image looks like. The first of them is not the value of an option before
	// the cursor: that is the word at the cursor.
	s.pending = nil
	for _, w := range after {
		s.next(w)
	}
	c.args = s.args
	// What the other arguments mean depends on the one with the image.
	if c.cmd.verbs != nil && len(c.args) > 0 {
		c.args = c.args[1:]
	}
	switch {
	case pending != nil:
		c.value("", pending)
		return
	case options && c.cmd.words != nil && n > 0 && isExpression(c.current):
		for _, g := range c.cmd.words {
			for _, w := range g.words {
				c.offer(w.name, w.help, false)
			}
		}
		return
	case options && strings.HasPrefix(c.current, "-") && c.current != "-":
		c.option(f)
		return
	case options && c.current == "-":
		// Either the start of an option, or standard input as a file.
		c.option(f)
	}
	// The last kind is that of all further arguments.
	kinds := c.cmd.args
	c.kind(kinds[min(n, len(kinds)-1)])
}

// option offers the options, or what follows the equals sign of one.
func (c *completer) option(f *flagSet) {
	if name, _, ok := strings.Cut(c.current, "="); ok && strings.HasPrefix(name, "--") {
		if s, err := f.long(name[2:]); err == nil && s != nil && s.arg != "" {
			c.value(name+"=", &expected{s.kind, s.values, nil})
		}
		return
	}
	for _, s := range f.flags {
		for _, n := range s.names() {
			c.offer(n, s.help, false)
		}
	}
}

// value offers what an option's value, or that of a word of an expression, may be.
// The prefix precedes it in the same word.
func (c *completer) value(prefix string, e *expected) {
	inner := &completer{a: c.a, cmd: c.cmd, args: c.args, current: c.current[len(prefix):]}
	for _, v := range e.values {
		inner.offer(v, "", false)
	}
	inner.kind(e.kind)
	for _, v := range inner.found {
		v.text = prefix + v.text
		c.found = append(c.found, v)
	}
}
