package main

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/lsfmt"
	"golang.org/x/sys/unix"
)

// typeName returns the name of a type in stat and --json.
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
	// 999.5 would be rounded to a fourth digit, and 9.95 to "10.0".
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

// A clock formats times as ls -l does in the C locale. It remembers the last one: files
// that were installed together have the same time, and formatting takes longer than
// comparing.
type clock struct {
	now     time.Time
	lastSec int64
	last    string
}

// newClock returns a clock that has seen no time: the number is one that no file has.
func newClock() *clock { return &clock{now: time.Now(), lastSec: -1 << 62} }

func (c *clock) short(sec int64) string {
	if sec == c.lastSec {
		return c.last
	}
	c.lastSec, c.last = sec, lsfmt.Time(time.Unix(sec, 0), c.now)
	return c.last
}

func stamp(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// owners has the names of users and groups from the image's own files: the IDs of an image
// mean nothing to the host.
type owners struct {
	users, groups idNames
}

// idNames are the entries of a file such as passwd(5). The zero value has none.
type idNames struct {
	names map[uint32]string
	ids   map[string]uint32
}

// names returns the owners of an image's tree. They are read once, when they are first
// needed. If they cannot be read, as in an image of data, numbers are printed.
func (o *opened) names() *owners {
	if o.owners == nil {
		o.owners = &owners{readNames(o.fs, "etc/passwd"), readNames(o.fs, "etc/group")}
	}
	return o.owners
}

// readNames reads a file in the format of passwd(5) or group(5), which have names and IDs
// in the same columns.
func readNames(fsys *unboot.FS, name string) idNames {
	n := idNames{map[uint32]string{}, map[string]uint32{}}
	data, err := fsys.ReadFile(name)
	// Far more than any real file has; a hostile one is not worth its memory.
	if err != nil || len(data) > 16<<20 {
		return n
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 || f[0] == "" {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		// A name with blanks or control characters would spoil the columns, or the
		// terminal.
		if err != nil || strings.ContainsFunc(f[0], func(r rune) bool { return r <= ' ' || r == 127 }) {
			continue
		}
		// Of several lines the first counts, as for getpwuid(3) and getpwnam(3). One ID
		// may have several names, and a name may be there twice.
		if _, again := n.names[uint32(id)]; !again {
			n.names[uint32(id)] = f[0]
		}
		if _, again := n.ids[f[0]]; !again {
			n.ids[f[0]] = uint32(id)
		}
	}
	return n
}

// nameOf returns the name of an ID, or its number.
func (n idNames) nameOf(id uint32) string {
	if name, ok := n.names[id]; ok {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// idOf is the inverse of nameOf. A name that looks like a number is preferred over the
// number, as chown(1) does.
func (n idNames) idOf(s string) (int, bool) {
	if id, ok := n.ids[s]; ok {
		return int(id), true
	}
	id, err := strconv.ParseUint(s, 10, 32)
	return int(id), err == nil
}

// A table aligns columns: to the left, unless right says otherwise. Widths are counted in
// characters, since branches of a tree are several bytes each.
type table struct {
	indent string
	right  []bool
	rows   [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// dropEmpty leaves out the columns that have nothing below their heading.
func (t *table) dropEmpty() {
	for i := len(t.rows[0]) - 1; i >= 0; i-- {
		if slices.ContainsFunc(t.rows[1:], func(r []string) bool { return r[i] != "" && r[i] != "-" }) {
			continue
		}
		for j := range t.rows {
			t.rows[j] = slices.Delete(t.rows[j], i, i+1)
		}
		if i < len(t.right) {
			t.right = slices.Delete(t.right, i, i+1)
		}
	}
}

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
		// Padding of the last columns would only break lines on narrow terminals.
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
