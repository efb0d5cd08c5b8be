package main

import (
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/unboot/unboot/internal/lsfmt"
)

// A verb appends the value of one directive of -printf for a file.
type verb func(b []byte, e *found) []byte

// printf compiles a format: the directives of find(1) except those about the host, and
// with numbers as the only field widths. The format is parsed once, so that a mistake in
// it is reported before anything is printed.
func (p *findParser) printf(format string) (test, error) {
	var verbs []verb
	lit := func(s string) {
		verbs = append(verbs, func(b []byte, _ *found) []byte { return append(b, s...) })
	}
	for format != "" {
		i := strings.IndexAny(format, `\%`)
		if i < 0 {
			lit(format)
			break
		}
		if i > 0 {
			lit(format[:i])
		}
		c := format[i]
		format = format[i+1:]
		if format == "" {
			// A lone character at the end stands for itself.
			lit(string(c))
			break
		}
		if c == '\\' {
			s, n := printfEscape(format)
			lit(s)
			format = format[n:]
			continue
		}
		// A width, as in %-10p: a negative one aligns to the left. A mistake makes it 0,
		// which is no width.
		n := 0
		for n < len(format) && strings.IndexByte("-0123456789", format[n]) >= 0 {
			n++
		}
		width, _ := strconv.Atoi(format[:n])
		format = format[n:]
		if format == "" {
			return nil, badUsage("-printf: the format ends with %%")
		}
		v, used := p.verb(format)
		if v == nil {
			return nil, badUsage("-printf: no directive %%%s", format[:1])
		}
		format = format[used:]
		if width != 0 {
			// Bounded, as each line is padded to it.
			v = padded(v, min(max(width, -1000), 1000))
		}
		verbs = append(verbs, v)
	}
	f := p.f
	return func(e *found) bool {
		b := f.line[:0]
		for _, v := range verbs {
			b = v(b, e)
		}
		f.line = b
		f.a.out.Write(b)
		return true
	}, nil
}

// padded returns a verb whose value is padded to a width. It needs the value by itself, so
// only directives with a width pay for the copy.
func padded(v verb, width int) verb {
	return func(b []byte, e *found) []byte {
		s := string(v(nil, e))
		if width < 0 {
			return padRight(b, s, -width)
		}
		return padLeft(b, s, width)
	}
}

// printfEscape interprets what follows a backslash, and returns how much of s that is. An
// unknown escape stays as it was written, as with find(1).
func printfEscape(s string) (string, int) {
	if i := strings.IndexByte(`abfnrtv\`, s[0]); i >= 0 {
		// The two strings correspond letter by letter.
		return "\a\b\f\n\r\t\v\\"[i : i+1], 1
	}
	n := 0
	for n < min(len(s), 3) && s[n] >= '0' && s[n] <= '7' {
		n++
	}
	if n == 0 {
		return `\` + s[:1], 1
	}
	v, _ := strconv.ParseUint(s[:n], 8, 16)
	return string([]byte{byte(v)}), n
}

// verb returns the directive at the start of s and its length.
func (p *findParser) verb(s string) (verb, int) {
	f := p.f
	num := func(get func(e *found) uint64) (verb, int) {
		return func(b []byte, e *found) []byte { return strconv.AppendUint(b, get(e), 10) }, 1
	}
	str := func(get func(e *found) string) (verb, int) {
		return func(b []byte, e *found) []byte { return append(b, get(e)...) }, 1
	}
	switch s[0] {
	case '%':
		return str(func(*found) string { return "%" })
	case 'p':
		return str(func(e *found) string { return e.path })
	case 'P':
		return str(func(e *found) string {
			return strings.TrimPrefix(strings.TrimPrefix(e.path, e.root), "/")
		})
	case 'f':
		return str(func(e *found) string { return e.base() })
	case 'h':
		return str(func(e *found) string { return path.Dir(e.path) })
	case 'H':
		return str(func(e *found) string { return e.root })
	case 'l':
		// Has the walk read the targets.
		f.links = true
		return str(func(e *found) string { return e.Link })
	case 's':
		return num(func(e *found) uint64 { return e.Stat.Size })
	case 'b':
		return num(func(e *found) uint64 { return e.Stat.Blocks })
	case 'k':
		// Blocks are 512 bytes, and %k is in KiB, rounded up.
		return num(func(e *found) uint64 { return (e.Stat.Blocks + 1) / 2 })
	case 'i':
		return num(func(e *found) uint64 { return e.Stat.Ino })
	case 'n':
		return num(func(e *found) uint64 { return uint64(e.Stat.Nlink) })
	case 'd':
		return num(func(e *found) uint64 { return uint64(e.depth) })
	case 'U':
		return num(func(e *found) uint64 { return uint64(e.Stat.Uid) })
	case 'G':
		return num(func(e *found) uint64 { return uint64(e.Stat.Gid) })
	case 'u':
		return str(func(e *found) string { return f.o.names().users.nameOf(e.Stat.Uid) })
	case 'g':
		return str(func(e *found) string { return f.o.names().groups.nameOf(e.Stat.Gid) })
	case 'm':
		return func(b []byte, e *found) []byte { return strconv.AppendUint(b, uint64(e.mode()&0o7777), 8) }, 1
	case 'M':
		return func(b []byte, e *found) []byte { return lsfmt.AppendMode(b, e.mode()) }, 1
	case 'y':
		return func(b []byte, e *found) []byte { return append(b, lsfmt.TypeLetter(e.mode(), 'f')) }, 1
	case 't', 'a', 'c':
		which := map[byte]byte{'t': 'm', 'a': 'a', 'c': 'c'}[s[0]]
		return func(b []byte, e *found) []byte {
			return e.time(which).AppendFormat(b, "Mon Jan _2 15:04:05.0000000000 2006")
		}, 1
	case 'T', 'A', 'C':
		if len(s) < 2 {
			return nil, 0
		}
		return timeVerb(map[byte]byte{'T': 'm', 'A': 'a', 'C': 'c'}[s[0]], s[1]), 2
	}
	return nil, 0
}

// timeVerb is %T@, %TY and so on, or nil.
func timeVerb(which, c byte) verb {
	if c == '@' {
		return func(b []byte, e *found) []byte {
			t := e.time(which)
			// find(1) prints ten digits after the point. Adding 1e9 keeps leading
			// zeros; its own digit is cut off.
			sec, nsec := t.Unix(), int64(t.Nanosecond())
			b = strconv.AppendInt(b, sec, 10)
			b = append(b, '.')
			return append(b, strconv.FormatInt(nsec+1e9, 10)[1:]+"0"...)
		}
	}
	layout := map[byte]string{
		// Ten digits of a second, as find(1) prints them. Seconds since 1970 have no
		// layout: the entry only says that %Ts exists.
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05.0000000000", 'y': "06", 'b': "Jan", 'B': "January",
		'a': "Mon", 'A': "Monday", 'Z': "MST", 'z': "-0700", 'I': "03", 'p': "PM", 'e': "_2", 'j': "002",
		'F': "2006-01-02", 'D': "01/02/06", 'T': "15:04:05.0000000000", 'R': "15:04", 'X': "15:04:05.0000000000",
		'+': "2006-01-02+15:04:05.0000000000", 'c': time.ANSIC, 's': "",
	}
	l, ok := layout[c]
	if !ok {
		return nil
	}
	return func(b []byte, e *found) []byte {
		if c == 's' {
			return strconv.AppendInt(b, e.time(which).Unix(), 10)
		}
		return e.time(which).AppendFormat(b, l)
	}
}
