package posixre

import (
	"strings"
)

// classes are the names in brackets, "[[:alpha:]]", and their meaning in a class of
// package regexp.
var classes = map[string]string{
	"alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": `\t `, "cntrl": `\x00-\x1f\x7f`, "digit": "0-9",
	"graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": `\t\n\v\f\r `,
	"upper": "A-Z", "xdigit": "0-9A-Fa-f",
}

// bracket translates what comes after "[".
func (p *parser) bracket() string {
	var set strings.Builder
	set.WriteByte('[')
	if p.i < len(p.s) && p.s[p.i] == '^' {
		set.WriteByte('^')
		p.i++
	}
	for first := true; ; first = false {
		if p.i >= len(p.s) {
			p.err = ErrBracket
			return ""
		}
		if p.s[p.i] == ']' && !first {
			p.i++
			set.WriteByte(']')
			return set.String()
		}
		if name, ok := p.named(':'); ok {
			class, known := classes[name]
			if !known && p.err == nil {
				p.err = ErrClass
			}
			set.WriteString(class)
			continue
		}
		low := p.element()
		high := low
		if p.err == nil && p.i+1 < len(p.s) && p.s[p.i] == '-' && p.s[p.i+1] != ']' {
			p.i++
			high = p.element()
		}
		switch {
		case p.err != nil:
			return ""
		case high < low:
			p.err = ErrRange
			return ""
		}
		set.WriteString(escaped(low))
		if high > low {
			set.WriteString("-" + escaped(high))
		}
	}
}

// element returns one byte of a set, which may be written as [.x.] or [=x=].
func (p *parser) element() byte {
	if p.i >= len(p.s) {
		p.err = ErrBracket
		return 0
	}
	for _, kind := range []byte{'.', '='} {
		if name, ok := p.named(kind); ok {
			if len(name) != 1 {
				if p.err == nil {
					p.err = ErrCollate
				}
				return 0
			}
			return name[0]
		}
	}
	c := p.s[p.i]
	p.i++
	return c
}

// named reads [:name:], or the same with another character.
func (p *parser) named(kind byte) (name string, ok bool) {
	rest := p.s[p.i:]
	if len(rest) < 2 || rest[0] != '[' || rest[1] != kind {
		return "", false
	}
	end := strings.Index(rest[2:], string(rune(kind))+"]")
	if end < 0 {
		p.err = ErrBracket
		p.i = len(p.s)
		return "", true
	}
	p.i += end + 4
	return rest[2 : 2+end], true
}

// escaped is a byte in a class of package regexp.
func escaped(b byte) string {
	const hex = "0123456789abcdef"
	return `\x{` + string(hex[b>>4]) + string(hex[b&15]) + "}"
}
