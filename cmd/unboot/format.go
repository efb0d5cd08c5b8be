package main

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// appendMode writes st_mode as ls -l does.
func appendMode(b []byte, mode uint32) []byte {
	b = append(b, typeLetter(mode, '-'))
	const rwx = "rwxrwxrwx"
	for i := range 9 {
		c := byte('-')
		if mode&(1<<(8-i)) != 0 {
			c = rwx[i]
		}
		b = append(b, c)
	}
	special := func(bit uint32, pos int, with, without byte) {
		if mode&bit == 0 {
			return
		}
		p := &b[len(b)-10+pos]
		if *p == 'x' {
			*p = with
		} else {
			*p = without
		}
	}
	special(unix.S_ISUID, 3, 's', 'S')
	special(unix.S_ISGID, 6, 's', 'S')
	special(unix.S_ISVTX, 9, 't', 'T')
	return b
}

// typeLetter is how ls -l and find -type call a type. They differ on regular files.
func typeLetter(mode uint32, regular byte) byte {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return regular
	case unix.S_IFDIR:
		return 'd'
	case unix.S_IFLNK:
		return 'l'
	case unix.S_IFBLK:
		return 'b'
	case unix.S_IFCHR:
		return 'c'
	case unix.S_IFIFO:
		return 'p'
	case unix.S_IFSOCK:
		return 's'
	}
	return '?'
}

// typeName is how stat(1) and --json call a type.
func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFBLK:
		return "block-device"
	case unix.S_IFCHR:
		return "char-device"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "unknown"
}

// human writes a size with a binary prefix and three digits at most: 1.5 GiB.
func human(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	v, i := float64(n)/1024, 0
	for v >= 999.5 && i < 5 {
		v /= 1024
		i++
	}
	prec := 0
	if v < 9.95 {
		prec = 1
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', prec, 64), ".0") + " " + "KMGTPE"[i:i+1] + "iB"
}

// lsHuman writes a size as ls -h does: rounded up, 1.5G.
func lsHuman(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10)
	}
	unit := uint64(1)
	i := -1
	for n/unit >= 1024 && i < 5 {
		unit <<= 10
		i++
	}
	tenths := n / unit * 10
	tenths += (n%unit*10 + unit - 1) / unit
	if tenths < 100 {
		return strconv.FormatUint(tenths/10, 10) + "." + strconv.FormatUint(tenths%10, 10) + "KMGTPE"[i:i+1]
	}
	whole := n / unit
	if n%unit != 0 {
		whole++
	}
	if whole == 1024 && i < 5 {
		return "1.0" + "KMGTPE"[i+1:i+2]
	}
	return strconv.FormatUint(whole, 10) + "KMGTPE"[i:i+1]
}

// A clock formats times as ls -l does in the C locale, and remembers the last.
type clock struct {
	now     time.Time
	lastSec int64
	last    string
}

func newClock() *clock { return &clock{now: time.Now(), lastSec: -1 << 62} }

func (c *clock) short(sec int64) string {
	if sec == c.lastSec {
		return c.last
	}
	t := time.Unix(sec, 0)
	layout := "Jan _2  2006"
	// Half a year of average length, as ls has it.
	if t.Before(c.now) && t.After(c.now.Add(-31556952*time.Second/2)) {
		layout = "Jan _2 15:04"
	}
	c.lastSec, c.last = sec, t.Format(layout)
	return c.last
}

func stamp(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// owners knows users and groups by the image's own files, which the host's have
// nothing to do with.
type owners struct {
	users, groups map[uint32]string
}

// names returns the owners of an image's tree, read once. Without them numbers
// stay numbers.
func (o *opened) names() *owners {
	if o.owners == nil {
		o.owners = &owners{readNames(o.fs, "etc/passwd"), readNames(o.fs, "etc/group")}
	}
	return o.owners
}

func readNames(fsys *unboot.FS, name string) map[uint32]string {
	m := map[uint32]string{}
	data, err := fsys.ReadFile(name)
	if err != nil || len(data) > 16<<20 {
		return m
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 || f[0] == "" {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		// A hostile name would spoil the columns.
		if _, ok := m[uint32(id)]; err != nil || ok || strings.ContainsFunc(f[0], func(r rune) bool { return r <= ' ' || r == 127 }) {
			continue
		}
		m[uint32(id)] = f[0]
	}
	return m
}

func nameOf(m map[uint32]string, id uint32) string {
	if n, ok := m[id]; ok {
		return n
	}
	n := strconv.FormatUint(uint64(id), 10)
	m[id] = n
	return n
}

// idOf is the other direction: a name or a number.
func idOf(m map[uint32]string, s string) (int, bool) {
	for id, n := range m {
		if n == s {
			return int(id), true
		}
	}
	id, err := strconv.ParseUint(s, 10, 32)
	return int(id), err == nil
}

// A table aligns columns: to the left, unless right says otherwise.
type table struct {
	indent string
	right  []bool
	rows   [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	var width []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, r := range t.rows {
		line := t.indent
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i < len(t.right) && t.right[i] {
				line += pad + c
			} else {
				line += c + pad
			}
			if i < len(r)-1 {
				line += "  "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
