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

// newGlob prepares a pattern. Case is folded once here, and per name in match.
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
	// Most patterns of --exclude are plain names, which need no search.
	if g.literal {
		return s == g.pattern
	}
	return globMatch(g.pattern, s)
}

// globMatch returns to the last star only: what an earlier star matches need not be
// longer, as the later one can take the rest. So it takes at most len(p)*len(s) steps,
// while a recursive matcher takes exponential time on patterns such as *a*a*a*b.
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
		// The star takes one more character.
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
		// A backslash at the end stands for itself.
		if len(p) > 1 {
			p = p[1:]
		}
	case '[':
		// Without a closing bracket, the opening one stands for itself.
		if rest, in, valid := globSet(p[1:], r); valid {
			return rest, n, in
		}
	}
	c, m := utf8.DecodeRuneInString(p)
	// Invalid UTF-8 decodes to the same rune whatever its bytes, so they are compared, too.
	return p[m:], n, c == r && m == n && p[:m] == s[:n]
}

// globSet matches r against what follows an opening bracket. It is not valid without a
// closing one.
func globSet(p string, r rune) (rest string, in, valid bool) {
	negate := false
	if p != "" && (p[0] == '!' || p[0] == '^') {
		negate, p = true, p[1:]
	}
	for first := true; p != ""; first = false {
		// A bracket that comes first is a member, as in []abc].
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

// setChar returns a member of a set and its length, with the backslash before it.
func setChar(p string) (rune, int) {
	if p[0] == '\\' && len(p) > 1 {
		r, n := utf8.DecodeRuneInString(p[1:])
		return r, n + 1
	}
	return utf8.DecodeRuneInString(p)
}

// globClasses returns the predicate of a character class such as [:alpha:], or nil.
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
