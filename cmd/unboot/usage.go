package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Usage texts fit a terminal of 80 columns. The explanations of options begin in the column
// after the longest option that is at most optionColumn long. An option that is longer by
// up to optionOverhang shifts its own explanation, and a longer one has it on the next line.
const (
	usageWidth     = 80
	optionColumn   = 22
	optionOverhang = 8
)

// usageText returns what "unboot help COMMAND" prints.
func (c *command) usageText() string {
	var b strings.Builder
	for i, s := range c.synopsis {
		lead := "usage: unboot "
		if i > 0 {
			lead = "       unboot "
		}
		b.WriteString(strings.TrimRight(lead+c.name+" "+s, " ") + "\n")
	}
	b.WriteString("\n" + paragraphs(c.long, usageWidth))
	if flags := c.flags(); len(flags) > 0 {
		b.WriteString("\n" + optionList(flags))
	}
	if c.image {
		b.WriteString("\nFor -m, --add and other options that open an image, see \"unboot help " + optionsTopic + "\".\n")
	}
	for i, g := range c.words {
		if i == 0 {
			b.WriteByte('\n')
		}
		b.WriteString(g.usageText())
	}
	for i, e := range c.examples {
		if i == 0 {
			b.WriteByte('\n')
		}
		b.WriteString("  " + e + "\n")
	}
	return b.String()
}

// spelling returns an option as usage texts show it: "-a, --all", "    --mode MODE". Long
// names are aligned whether or not there is a short one.
func (s *flagSpec) spelling() string {
	text := strings.Join(s.names(), ", ")
	if s.short == "" {
		text = "    " + text
	}
	if s.arg != "" {
		text += " " + s.arg
	}
	return text
}

// optionList explains options, one after the other.
func optionList(flags []*flagSpec) string {
	column := 0
	for _, s := range flags {
		if n := len(s.spelling()); n <= optionColumn {
			column = max(column, n)
		}
	}
	indent := strings.Repeat(" ", column+4)
	var b strings.Builder
	for _, s := range flags {
		head := "  " + s.spelling() + "  "
		head += strings.Repeat(" ", max(0, len(indent)-len(head)))
		if len(head) > len(indent)+optionOverhang {
			b.WriteString(strings.TrimRight(head, " ") + "\n")
			head = indent
		}
		lines := wrap(s.help, usageWidth-len(indent), len(head)-len(indent))
		b.WriteString(head + strings.Join(lines, "\n"+indent) + "\n")
	}
	return b.String()
}

// paragraphs wraps each paragraph of a text to a width, since the source and a manual page
// have other widths than the terminal. Paragraphs that are indented stay as they are.
func paragraphs(text string, width int) string {
	var out []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			out = append(out, paragraph)
		} else {
			out = append(out, strings.Join(wrap(paragraph, width, 0), "\n"))
		}
	}
	return strings.Join(out, "\n\n") + "\n"
}

// wrap breaks text into lines of a width, of which the first is shorter by less. A word that
// is longer than a line gets one of its own.
func wrap(text string, width, less int) []string {
	var lines []string
	line, room := "", width-less
	for _, word := range strings.Fields(text) {
		switch n := utf8.RuneCountInString(line) + 1 + utf8.RuneCountInString(word); {
		case line == "":
			line = word
		case n > room:
			lines, line, room = append(lines, line), word, width
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// overview returns what "unboot help" prints.
func overview(table []*command) string {
	var b strings.Builder
	b.WriteString(about + "\n\n")
	width := 0
	for _, c := range table {
		width = max(width, len(c.form()))
	}
	for _, c := range table {
		b.WriteString("  unboot " + c.form() + strings.Repeat(" ", width+2-len(c.form())) + c.short + "\n")
	}
	b.WriteString("\nThe options of every command with an image: unboot help " + optionsTopic + "\n\n")
	for _, e := range overviewExamples {
		b.WriteString("  " + e + "\n")
	}
	return b.String()
}

// optionsTopic is the argument of "unboot help" for what all commands with images share.
const optionsTopic = "options"

// imageOptions returns what "unboot help options" prints.
func imageOptions() string {
	return "Options of every command with an image:\n" + optionList(imageFlags())
}

// form returns a command as the overview shows it.
func (c *command) form() string {
	brief := c.brief
	if brief == "" {
		brief = c.synopsis[0]
	}
	return strings.TrimRight(c.name+" "+brief, " ")
}

// A wordGroup is a kind of words of an expression.
type wordGroup struct {
	title string
	words []word
}

// A word is one of an expression, with the argument that follows it.
type word struct {
	name, arg, help string
	kind            kind
	values          []string
}

// usageText lists the words without their explanations, which are in the manual page.
func (g *wordGroup) usageText() string {
	const indent = 11
	text := ""
	for _, w := range g.words {
		// NUL bytes stand for blanks at which no line is broken: a word stays with its
		// argument, and two blanks separate it from the next.
		text += strings.ReplaceAll(strings.TrimRight(w.name+" "+w.arg, " "), " ", "\x00") + "\x00 "
	}
	lines := wrap(text, usageWidth-indent, 0)
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.ReplaceAll(line, "\x00", " "), " ")
	}
	return g.title + ":" + strings.Repeat(" ", indent-1-len(g.title)) + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}

// wordNamed returns a word of an expression, or nil.
func (c *command) wordNamed(name string) *word {
	for _, g := range c.words {
		if i := slices.IndexFunc(g.words, func(w word) bool { return w.name == name }); i >= 0 {
			return &g.words[i]
		}
	}
	return nil
}
