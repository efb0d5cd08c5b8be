package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quote returns a name for a message or a terminal, as ls(1) does: unchanged if a shell
// would take it so, and in quotes otherwise. Control characters are escaped, since the
// names of an image are not to be trusted: they could move the cursor or rewrite what the
// terminal shows.
func quote(name string) string {
	// These are special at the start of a word only.
	safe := name != "" && name[0] != '~' && name[0] != '#'
	control := false
	for i, r := range name {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			// A valid U+FFFD in the name is printable, an invalid byte is not.
			if _, size := utf8.DecodeRuneInString(name[i:]); r != utf8.RuneError || size == 1 {
				control = true
			}
		}
		if strings.ContainsRune(" !\"$&'()*;<=>?[\\]^`{|}", r) {
			safe = false
		}
	}
	switch {
	case control:
		return quoteControl(name)
	case safe:
		return name
	// Double quotes read better around an apostrophe, if nothing in them is special.
	case strings.Contains(name, "'") && !strings.ContainsAny(name, "\"$`\\!"):
		return `"` + name + `"`
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// quoteControl quotes a name with control characters: runs of those as in $'\n', and the
// others in single quotes. A shell joins them to one word again.
func quoteControl(name string) string {
	var b strings.Builder
	state := byte(0)
	// enter changes the kind of quotes: 'q' for plain ones, '$' for those with
	// escapes.
	enter := func(s byte) {
		if s == state {
			return
		}
		if state != 0 {
			b.WriteByte('\'')
		}
		if s == '$' {
			b.WriteByte('$')
		}
		b.WriteByte('\'')
		state = s
	}
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			enter('$')
			for _, c := range []byte(name[:size]) {
				if i := strings.IndexByte("\a\b\t\n\v\f\r", c); i >= 0 {
					b.WriteString(`\` + "abtnvfr"[i:i+1])
				} else {
					fmt.Fprintf(&b, `\%03o`, c)
				}
			}
		} else {
			enter('q')
			if r == '\'' {
				b.WriteString(`'\''`)
			} else {
				b.WriteString(name[:size])
			}
		}
		name = name[size:]
	}
	b.WriteByte('\'')
	return b.String()
}
