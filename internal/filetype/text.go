package filetype

import (
	"bytes"
	"strings"
)

// interpreters are what file(1) calls scripts by the base name of their interpreter. Other
// scripts it calls by the path.
var interpreters = map[string]string{
	"bash": "Bourne-Again shell", "sh": "POSIX shell", "ksh": "Korn shell", "zsh": "Paul Falstad's zsh", "csh": "C shell", "awk": "awk",
}

// envInterpreters are those that it knows if env(1) finds them.
var envInterpreters = map[string]string{"python3": "Python", "python2": "Python", "python": "Python", "ruby": "Ruby"}

// describeText distinguishes text from other data.
func describeText(head []byte) string {
	// In the order of file(1): ASCII, then UTF-8, then the encodings of a byte a character,
	// which nearly any bytes could be. A control character means that it is not text.
	ascii, utf := true, true
	for i := 0; i < len(head); {
		c := head[i]
		if c < 0x80 {
			if c < ' ' && !strings.ContainsRune("\a\b\t\n\v\f\r\x1b", rune(c)) || c == 0x7f {
				return "data"
			}
			i++
			continue
		}
		ascii = false
		n := utf8Length(head[i:])
		if n == 0 {
			utf = false
			n = 1
		}
		i += n
	}
	kind := "ASCII text"
	switch {
	case ascii:
	case utf:
		kind = "Unicode text, UTF-8 text"
	default:
		// ISO 8859 has control characters there that no text uses.
		for _, c := range head {
			if c >= 0x80 && c < 0xa0 {
				return "Non-ISO extended-ASCII text"
			}
		}
		kind = "ISO-8859 text"
	}
	if bytes.Contains(head, []byte("\r\n")) {
		kind += ", with CRLF line terminators"
	} else if !bytes.Contains(head, []byte("\n")) {
		kind += ", with no line terminators"
	}
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return kind
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := strings.Fields(string(line))
	known := interpreters
	if len(words) > 1 && strings.HasSuffix(words[0], "/env") {
		words, known = words[1:], envInterpreters
	}
	if len(words) == 0 {
		return kind
	}
	base := words[0][strings.LastIndexByte(words[0], '/')+1:]
	if base == "perl" {
		return "Perl script text executable"
	}
	name := known[base]
	if name == "" {
		name = "a " + strings.Join(words, " ")
	}
	return name + " script, " + kind + " executable"
}

// utf8Length returns the length of the character that b begins with, or 0 if it is none. A
// character that the end cuts off counts.
func utf8Length(b []byte) int {
	n := 0
	switch c := b[0]; {
	case c >= 0xc2 && c < 0xe0:
		n = 2
	case c >= 0xe0 && c < 0xf0:
		n = 3
	case c >= 0xf0 && c < 0xf5:
		n = 4
	default:
		return 0
	}
	for i := 1; i < n && i < len(b); i++ {
		if b[i]&0xc0 != 0x80 {
			return 0
		}
	}
	return n
}
