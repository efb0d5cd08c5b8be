package main

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// bash has readline(3) replace the end of the line with what a completion function
// returns, verbatim: from the last unquoted character that breaks words, or from an
// open quote. COMP_WORDS still has all quotes, and breaks words at colons too, so that
// IMAGE:PATH would be three of them. The line itself is therefore parsed here. Nothing
// of it is evaluated: pressing Tab must not run a command substitution.

// A bashLine is a command line up to the cursor.
type bashLine struct {
	words []string // without quotes; the last is the one at the cursor
	// cut is the length of the part of the last word that readline keeps.
	cut int
	// open is the quote that is open at the end: 0, ', ", or $ for that of $'...'.
	open byte
	// redirect says that the last word is a file that input or output goes to.
	redirect bool
}

// parseBash reads a line. The breaks are those of COMP_WORDBREAKS.
func parseBash(line, breaks string) bashLine {
	var l bashLine
	var word []byte
	started, redirect := false, false
	// end ends a word. The file of a redirection is dropped: the command does not see
	// it.
	end := func() {
		if started && !redirect {
			l.words = append(l.words, string(word))
		}
		if started {
			redirect = false
		}
		word, started, l.cut = nil, false, 0
	}
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			end()
			i++
		case c == '<' || c == '>':
			end()
			redirect = true
			i++
		case c == '\\':
			started = true
			if i+1 < len(line) && line[i+1] != '\n' {
				word = append(word, line[i+1])
			}
			// A backslash before a newline continues the line, and neither remains.
			i += 2
		case c == '\'' || c == '"' || c == '$' && i+1 < len(line) && (line[i+1] == '\'' || line[i+1] == '"'):
			started = true
			kind := c
			if c == '$' {
				// $"..." is a translated string: for completion, the same as "...".
				if i++; line[i] == '"' {
					kind = '"'
				}
			}
			text, n, closed := bashQuoted(line[i+1:], kind)
			if !closed {
				l.open, l.cut = kind, len(word)
			}
			word = append(word, text...)
			i += 1 + n
		default:
			started = true
			word = append(word, c)
			// readline has already accepted what precedes this character, so the
			// answer must not repeat it.
			if strings.IndexByte(breaks, c) >= 0 {
				l.cut = len(word)
			}
			i++
		}
	}
	// The word at the cursor counts even if it is empty.
	l.words = append(l.words, string(word))
	l.redirect = redirect
	return l
}

// bashQuoted reads what follows an opening quote. It returns the text, and how much of s
// it takes, including the closing quote if there is one.
func bashQuoted(s string, kind byte) (text []byte, n int, closed bool) {
	last := kind
	if kind == '$' {
		last = '\''
	}
	for n < len(s) {
		c := s[n]
		switch {
		case c == last:
			return text, n + 1, true
		case c == '\\' && kind == '$':
			b, used := ansiEscape(s[n+1:])
			text = append(text, b...)
			n += 1 + used
			continue
		// In double quotes, a backslash before any other character stays.
		case c == '\\' && kind == '"' && n+1 < len(s) && strings.IndexByte("$`\"\\\n", s[n+1]) >= 0:
			n++
			if c = s[n]; c == '\n' {
				n++
				continue
			}
		}
		text = append(text, c)
		n++
	}
	return text, n, false
}

// ansiEscape reads what follows a backslash in $'...'. Unicode escapes are not
// interpreted: no answer of ours contains any.
func ansiEscape(s string) (text []byte, n int) {
	if s == "" {
		return nil, 0
	}
	if i := strings.IndexByte("abtnvfreE", s[0]); i >= 0 {
		return []byte{"\a\b\t\n\v\f\r\x1b\x1b"[i]}, 1
	}
	digits, base, from := 0, 8, 0
	switch {
	case s[0] == 'x':
		base, from = 16, 1
	case s[0] < '0' || s[0] > '7':
		return []byte{s[0]}, 1
	}
	for digits < 3-from && from+digits < len(s) {
		if _, err := strconv.ParseUint(s[from:from+digits+1], base, 16); err != nil {
			break
		}
		digits++
	}
	v, _ := strconv.ParseUint(s[from:from+digits], base, 16)
	return []byte{byte(v)}, from + digits
}

// answerBash prints the candidates for a line as readline puts them into it.
func answerBash(a *app, breaks, before, after string) {
	l := parseBash(before, breaks)
	last := len(l.words) - 1
	if last < 1 {
		return // the cursor is on the word "unboot"
	}
	var candidates []candidate
	if l.redirect {
		c := &completer{a: a, current: l.words[last]}
		c.kind(kindHost)
		candidates = c.found
	} else {
		// The rest of the line begins inside the word at the cursor: "_" stands for the
		// part before it, and is dropped with that word.
		candidates = complete(a, l.words[1:last], l.words[last], parseBash("_"+after, breaks).words[1:])
	}
	for _, c := range candidates {
		text := l.quote(c.text)
		// readline closes an open quote itself, unless the text ends with one: then it
		// takes that for the closing one, and has to be given another. A blank ends the
		// word here, since the script sets -o nospace for candidates that continue.
		switch {
		case c.more:
		case l.open == 0:
			text += " "
		case strings.HasSuffix(text, l.closing()):
			text += l.closing()
		}
		a.out.WriteString(text + "\n")
	}
}

// closing is what ends the quote that is open.
func (l *bashLine) closing() string {
	if l.open == '$' {
		return "'"
	}
	return string(l.open)
}

// quote returns a candidate as it continues the line: quoted as the open quote requires.
// Control characters are escaped, since the names are those of an image and the
// terminal would obey them.
func (l *bashLine) quote(text string) string {
	var b strings.Builder
	rest := text[l.cut:]
	// The shell expands a tilde only if it is not quoted.
	if l.cut == 0 && l.open == 0 && strings.HasPrefix(rest, "~/") && expandHome(rest) != rest {
		b.WriteString("~/")
		rest = rest[2:]
	}
	for rest != "" {
		r, size := utf8.DecodeRuneInString(rest)
		// A size of 1 distinguishes an invalid byte from U+FFFD itself.
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			l.control(&b, rest[:size])
		} else {
			l.printable(&b, r)
		}
		rest = rest[size:]
	}
	return b.String()
}

// printable writes a character that a terminal shows.
func (l *bashLine) printable(b *strings.Builder, r rune) {
	switch {
	case l.open == '\'' && r == '\'':
		// Nothing can be escaped in single quotes: they are closed, and opened again.
		b.WriteString(`'\''`)
	case l.open == '"' && r == '!':
		b.WriteString(`"'!'"`) // a backslash would stay
	case l.open == '"' && strings.ContainsRune("$`\"\\", r),
		l.open == '$' && (r == '\'' || r == '\\'),
		l.open == 0 && r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-./,:@%+=", r):
		b.WriteByte('\\')
		b.WriteRune(r)
	default:
		b.WriteRune(r)
	}
}

// control writes bytes that a terminal does not show, as they stand in $'...'.
func (l *bashLine) control(b *strings.Builder, bytes string) {
	var escaped strings.Builder
	for _, c := range []byte(bytes) {
		// Always three digits, so that a digit that follows is not taken for part of
		// it.
		escaped.WriteString(`\` + string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7}))
	}
	switch l.open {
	case '$':
		b.WriteString(escaped.String())
	case 0:
		b.WriteString(`$'` + escaped.String() + `'`)
	default:
		q := l.closing()
		b.WriteString(q + `$'` + escaped.String() + `'` + q)
	}
}
