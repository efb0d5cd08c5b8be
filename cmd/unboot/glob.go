package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A glob is a pattern as fnmatch(3) takes it without flags: * and ? match
// slashes too, and a dot at the start is nothing special. That is what find and
// tar mean by a pattern, and path.Match does not.
type glob struct {
	pattern string
	fold    bool
	literal bool // no wildcard in it
}

func newGlob(pattern string, fold bool) glob {
	if fold {
		pattern = strings.ToLower(pattern)
	}
	return glob{pattern, fold, !strings.ContainsAny(pattern, `*?[\`)}
}

func (g *glob) match(s string) bool {
	if g.fold {
		s = strings.ToLower(s)
	}
	if g.literal {
		return s == g.pattern
	}
	return globMatch(g.pattern, s)
}

// globMatch goes back to the last star only, so it takes at most len(p)*len(s)
// steps.
func globMatch(p, s string) bool {
	var starP, starS string
	star := false
	for {
		if p != "" && p[0] == '*' {
			star, starP, starS = true, p[1:], s
			p = p[1:]
			continue
		}
		if s == "" && p == "" {
			return true
		}
		if s != "" && p != "" {
			if rest, n, ok := globOne(p, s); ok {
				p, s = rest, s[n:]
				continue
			}
		}
		if !star || starS == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(starS)
		starS = starS[n:]
		p, s = starP, starS
	}
}

// globOne matches the first character of s. It returns the rest of the pattern
// and the character's length.
func globOne(p, s string) (rest string, n int, ok bool) {
	r, n := utf8.DecodeRuneInString(s)
	switch p[0] {
	case '?':
		return p[1:], n, true
	case '\\':
		if len(p) > 1 {
			p = p[1:]
		}
	case '[':
		if rest, in, valid := globSet(p[1:], r); valid {
			return rest, n, in
		}
	}
	c, m := utf8.DecodeRuneInString(p)
	// Bytes that are no character compare as bytes.
	return p[m:], n, c == r && m == n && p[:m] == s[:n]
}

// globSet matches what stands in brackets. It is not valid without the second.
func globSet(p string, r rune) (rest string, in, valid bool) {
	negate := false
	if p != "" && (p[0] == '!' || p[0] == '^') {
		negate, p = true, p[1:]
	}
	for first := true; p != ""; first = false {
		if p[0] == ']' && !first {
			return p[1:], in != negate, true
		}
		if strings.HasPrefix(p, "[:") {
			if name, after, ok := strings.Cut(p[2:], ":]"); ok && globClasses(name) != nil {
				in = in || globClasses(name)(r)
				p = after
				continue
			}
		}
		lo, n := setChar(p)
		p = p[n:]
		hi := lo
		if len(p) > 1 && p[0] == '-' && p[1] != ']' {
			hi, n = setChar(p[1:])
			p = p[1+n:]
		}
		in = in || lo <= r && r <= hi
	}
	return "", false, false
}

func setChar(p string) (rune, int) {
	if p[0] == '\\' && len(p) > 1 {
		r, n := utf8.DecodeRuneInString(p[1:])
		return r, n + 1
	}
	return utf8.DecodeRuneInString(p)
}

func globClasses(name string) func(rune) bool {
	switch name {
	case "alpha":
		return unicode.IsLetter
	case "digit":
		return func(r rune) bool { return '0' <= r && r <= '9' }
	case "alnum":
		return func(r rune) bool { return unicode.IsLetter(r) || '0' <= r && r <= '9' }
	case "upper":
		return unicode.IsUpper
	case "lower":
		return unicode.IsLower
	case "space":
		return unicode.IsSpace
	case "punct":
		return func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	case "cntrl":
		return unicode.IsControl
	case "print":
		return unicode.IsPrint
	}
	return nil
}
