package augeas

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// quote quotes an argument that is not a path expression.
func quote(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", unix.EINVAL
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '"':
			b.WriteString("\\" + s[i:i+1])
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case quoteNext, 0x1b:
			b.Write([]byte{quoteNext, c})
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// ErrBrackets is the error of a path expression that augtool cannot be given, though
// Augeas itself may know what it means.
var ErrBrackets = errors.New("] without [ before it")

// What path expressions that augtool would not take as they are get around them, of no
// meaning and unlike what anybody writes.
const (
	closing   = `[']'!='']` // a bracket more that closes than opens
	beginning = "(( "
	ending    = "))"
)

// around returns what has to be before and after a path expression. augtool counts
// brackets, those in strings too, but not those after a backslash; and it takes away
// slashes and spaces at the end.
func around(path string) (before, after string) {
	if depth := depthOf(path); depth > 0 {
		return "", strings.Repeat(closing, depth)
	}
	if path != "/" && path != strings.TrimRight(path, "/ \t\n\v\f\r") {
		return beginning, ending
	}
	return "", ""
}

// plain takes away again what around has added.
func plain(s string) string {
	s = strings.ReplaceAll(s, closing, "")
	if before, after, ok := strings.Cut(s, beginning); ok {
		s = before + strings.TrimSuffix(after, ending)
	}
	return s
}

// depthOf returns how many brackets stay open, or a negative number if one closes that
// has not been open.
func depthOf(path string) (depth int) {
	for i := 0; i < len(path) && depth >= 0; i++ {
		switch path[i] {
		case '\\':
			i++
		case '[':
			depth++
		case ']':
			depth--
		}
	}
	return depth
}

// bracketError returns the error of a path expression of which augtool does not look at
// more than the brackets: the one that the library has for it, if it is wrong for sure.
func bracketError(path string) error {
	const bad = "Invalid path expression"
	quoted := strings.ContainsAny(path, `'"`)
	if depth := depthOf(path); depth > 0 && !quoted && strings.HasSuffix(path, "[") {
		return &Error{bad, "illegal string literal", path + "|=|"}
	} else if depth >= 0 {
		return nil
	}
	if quoted {
		return ErrBrackets
	}
	at := 1
	for depthOf(path[:at]) >= 0 {
		at++
	}
	return &Error{bad, "garbage at end of path expression", path[:at-1] + "|=|" + path[at-1:]}
}

// quotePath quotes a path expression. A backslash before a bracket is given as it is.
func quotePath(s string) (string, error) {
	if err := bracketError(s); err != nil {
		return "", err
	}
	before, after := around(s)
	quoted, err := quote(before + s + after)
	if err != nil {
		return "", err
	}
	return bracketEscapes.Replace(quoted), nil
}

var bracketEscapes = strings.NewReplacer(`\\\\`, `\\\\`, `\\[`, `\[`, `\\]`, `\]`)

// Label returns a label as it is written in a path expression.
func Label(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \t\n\\][|/=()!,", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
