// Package posixre compiles the regular expressions of grep(1), basic and extended, as
// regex(7) and GNU's extensions have them, to those of package regexp.
//
// Text is bytes, as in the C locale: "." is any byte, and letters are those of ASCII. An
// expression is only asked whether it matches, so that leftmost and longest do not matter.
//
// # How it deviates
//
// Back-references (\1) are not possible, as time and memory are bounded. \< and \> are
// any edge of a word. A count in braces is at most 1000.
package posixre

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// The errors of expressions, in the words of regcomp(3) and grep(1).
var (
	ErrBracket   = errors.New("Unmatched [, [^, [:, [., or [=")
	ErrClass     = errors.New("Invalid character class name")
	ErrCollate   = errors.New("Invalid collation character")
	ErrParen     = errors.New(`Unmatched ( or \(`)
	ErrRight     = errors.New(`Unmatched ) or \)`)
	ErrBrace     = errors.New(`Unmatched { or \{`)
	ErrCount     = errors.New(`Invalid content of \{\}`)
	ErrRange     = errors.New("Invalid range end")
	ErrBackslash = errors.New("Trailing backslash")
	ErrTooBig    = errors.New("Regular expression too big")
	ErrReference = errors.New("Back-references are not available")
)

// A Regexp is a compiled expression.
type Regexp struct {
	res  []*regexp.Regexp // one of them has to match
	wide []byte           // for Match
}

// Options say what an expression is.
type Options struct {
	Extended    bool // as grep -E
	Fixed       bool // as grep -F: no expression but text
	Insensitive bool // as grep -i
}

// Compile compiles an expression, or several in lines of their own, of which one has to
// match.
func Compile(expr string, o Options) (*Regexp, error) {
	r := &Regexp{}
	for line := range strings.SplitSeq(expr, "\n") {
		var src string
		if o.Fixed {
			src = regexp.QuoteMeta(latin1(line))
		} else {
			p := parser{s: line, extended: o.Extended}
			p.parse()
			if p.err != nil {
				return nil, p.err
			}
			src = p.out.String()
		}
		flags := "(?s)"
		if o.Insensitive {
			flags = "(?si)"
		}
		re, err := regexp.Compile(flags + src)
		if err != nil {
			return nil, ErrTooBig
		}
		r.res = append(r.res, re)
	}
	return r, nil
}

// Match reports whether an expression matches somewhere in a line. It must not be called
// from several goroutines at once.
func (r *Regexp) Match(line []byte) bool {
	for i, b := range line {
		if b >= 0x80 {
			line = r.widen(line, i)
			break
		}
	}
	for _, re := range r.res {
		if re.Match(line) {
			return true
		}
	}
	return false
}

// widen makes each byte a character, as package regexp has those.
func (r *Regexp) widen(line []byte, ascii int) []byte {
	r.wide = append(r.wide[:0], line[:ascii]...)
	for _, b := range line[ascii:] {
		r.wide = append(r.wide, string(rune(b))...)
	}
	return r.wide
}

func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// parser translates one expression.
type parser struct {
	s        string
	i        int
	extended bool
	depth    int
	out      strings.Builder
	err      error
}

// maxDepth bounds how deep groups are in each other.
const maxDepth = 250

// parse translates a whole expression.
func (p *parser) parse() {
	p.alternatives()
	if p.err == nil && p.i < len(p.s) {
		p.err = ErrRight
	}
}

// ahead reports whether an operator comes next, which a basic expression has with a
// backslash, and an extended one without.
func (p *parser) ahead(op byte) bool {
	if p.extended {
		return p.i < len(p.s) && p.s[p.i] == op
	}
	return p.i+1 < len(p.s) && p.s[p.i] == '\\' && p.s[p.i+1] == op
}

// take goes past an operator, if it comes next.
func (p *parser) take(op byte) bool {
	if !p.ahead(op) {
		return false
	}
	if !p.extended {
		p.i++
	}
	p.i++
	return true
}

// alternatives translates until the end or the parenthesis that closes the group.
func (p *parser) alternatives() {
	p.sequence()
	for p.err == nil && p.take('|') {
		p.out.WriteByte('|')
		p.sequence()
	}
}

// sequence translates atoms with their repetitions.
func (p *parser) sequence() {
	first := true
	for p.err == nil && p.i < len(p.s) && !p.ahead('|') && !p.closes() {
		atom := p.atom(first)
		first = first && atom == "^"
		if p.err == nil {
			p.out.WriteString(p.repeat(atom, first))
		}
	}
}

// closes reports whether a parenthesis comes next that closes a group. In extended
// expressions it is text where there is no group.
func (p *parser) closes() bool { return p.ahead(')') && (p.depth > 0 || !p.extended) }

// repeat translates the operators after an atom. At the start of a basic expression, *
// is not an operator, which atom has seen to.
func (p *parser) repeat(atom string, anchor bool) string {
	for p.err == nil && p.i < len(p.s) {
		var op string
		switch {
		case p.s[p.i] == '*':
			if anchor && !p.extended {
				return atom // "^*" is a literal star
			}
			p.i++
			op = "*"
		case p.take('+'):
			op = "+"
		case p.take('?'):
			op = "?"
		case p.ahead('{'):
			var ok bool
			if op, ok = p.count(); !ok {
				return atom
			}
		default:
			return atom
		}
		atom = "(?:" + atom + ")" + op
		if len(atom) > 1<<16 {
			p.err = ErrTooBig
		}
	}
	return atom
}

// count translates {2}, {2,}, {2,3} or {,3}. In extended expressions, what is none of these
// is text.
func (p *parser) count() (op string, ok bool) {
	start := p.i
	p.take('{')
	low, haveLow := p.number()
	high, haveHigh := low, haveLow
	comma := p.i < len(p.s) && p.s[p.i] == ','
	if comma {
		p.i++
		high, haveHigh = p.number()
	}
	if !p.take('}') || !haveLow && !comma {
		if p.extended {
			p.i = start
			return "", false
		}
		p.err = ErrCount
		if !strings.Contains(p.s[start:], `\}`) {
			p.err = ErrBrace
		}
		return "", false
	}
	const most = 1000
	switch {
	case low > most || high > most:
		p.err = ErrTooBig
	case haveHigh && high < low:
		p.err = ErrCount
	}
	op = "{" + strconv.Itoa(low)
	if comma {
		op += ","
		if haveHigh {
			op += strconv.Itoa(high)
		}
	}
	return op + "}", p.err == nil
}

func (p *parser) number() (n int, ok bool) {
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		n, ok = min(n*10+int(p.s[p.i]-'0'), 1<<20), true
		p.i++
	}
	return n, ok
}

// literal returns the expression for a byte.
func literal(b byte) string { return regexp.QuoteMeta(string(rune(b))) }

// atom translates what repetitions can be of. start says that nothing but "^" was before.
func (p *parser) atom(start bool) string {
	if p.take('(') {
		return p.group()
	}
	c := p.s[p.i]
	p.i++
	switch c {
	case '.':
		return "."
	case '[':
		return p.bracket()
	case '\\':
		return p.escape()
	case '^':
		if p.extended || start && (p.i == 1 || strings.HasSuffix(p.s[:p.i-1], `\(`) || strings.HasSuffix(p.s[:p.i-1], `\|`)) {
			return "^"
		}
	case '$':
		if p.extended || p.i == len(p.s) || p.ahead(')') || p.ahead('|') {
			return "$"
		}
	case '*', '+', '?':
		// Of nothing, an extended expression can have any number.
		if p.extended {
			p.i--
			return ""
		}
	case '{':
		if p.extended {
			p.i--
			if op, ok := p.count(); ok {
				return "(?:)" + op
			}
			if p.err != nil {
				return ""
			}
			p.i++
		}
	}
	return literal(c)
}

func (p *parser) group() string {
	if p.depth++; p.depth > maxDepth {
		p.err = ErrTooBig
		return ""
	}
	outer := p.out
	p.out = strings.Builder{}
	p.alternatives()
	inner := p.out.String()
	p.out = outer
	p.depth--
	if p.err == nil && !p.take(')') {
		p.err = ErrParen
	}
	return "(?:" + inner + ")"
}

// escape translates what a backslash is before.
func (p *parser) escape() string {
	if p.i == len(p.s) {
		p.err = ErrBackslash
		return ""
	}
	c := p.s[p.i]
	p.i++
	switch c {
	case '<', '>', 'b':
		return `\b`
	case 'B':
		return `\B`
	case 'w', 'W':
		return `\` + string(c)
	case 's':
		return `[ \t\n\v\f\r]`
	case 'S':
		return `[^ \t\n\v\f\r]`
	case '`':
		return `\A`
	case '\'':
		return `\z`
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		p.err = ErrReference
		return ""
	}
	return literal(c)
}
