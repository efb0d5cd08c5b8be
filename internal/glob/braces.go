package glob

import "strings"

// maxBraces bounds what a pattern with braces expands to.
const maxBraces = 4096

// Braces expands the first {a,b} of a pattern, then those after it, as glob(3) with
// GLOB_BRACE. Patterns past the 4096th are left out.
func Braces(pattern string) []string {
	done, todo := []string{}, []string{pattern}
	for len(todo) > 0 && len(done)+len(todo) < maxBraces {
		p := todo[0]
		todo = todo[1:]
		open, alternatives, end := braces(p)
		if alternatives == nil {
			done = append(done, p)
			continue
		}
		expanded := make([]string, 0, len(alternatives)+len(todo))
		for _, alt := range alternatives {
			expanded = append(expanded, p[:open]+alt+p[end:])
		}
		todo = append(expanded, todo...)
	}
	return done
}

// braces finds the first group of braces.
func braces(p string) (open int, alternatives []string, end int) {
	open = strings.IndexByte(p, '{')
	if open < 0 || strings.HasPrefix(p[open:], "{}") {
		return 0, nil, 0
	}
	depth, from := 0, open+1
	for i := open; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '{':
			depth++
		case ',':
			if depth == 1 {
				alternatives = append(alternatives, p[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				return open, append(alternatives, p[from:i]), i + 1
			}
		}
	}
	return 0, nil, 0
}
