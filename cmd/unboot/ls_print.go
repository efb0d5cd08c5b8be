package main

import (
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/lsfmt"
)

// longList writes the columns of ls -l. It goes through the rows twice, since the widths of
// the columns have to be known before the first is printed.
func (l *lister) longList(o *opened, rows []row, total bool) {
	var blocks uint64
	var links, users, groups, sizes, inodes, majors, minors int
	// With -n, empty maps make every owner a number.
	names := &owners{}
	if !l.numeric {
		names = o.names()
	}
	number := func(n uint64) int { return len(strconv.FormatUint(n, 10)) }
	for _, r := range rows {
		st := &r.Stat
		if r.Err != nil {
			links, users, groups, sizes, inodes = max(links, 1), max(users, 1), max(groups, 1), max(sizes, 1), max(inodes, 1)
			continue
		}
		blocks += st.Blocks
		links = max(links, number(uint64(st.Nlink)))
		users = max(users, utf8.RuneCountInString(names.users.nameOf(st.Uid)))
		groups = max(groups, utf8.RuneCountInString(names.groups.nameOf(st.Gid)))
		inodes = max(inodes, number(st.Ino))
		if isDevice(st) {
			majors, minors = max(majors, number(uint64(st.Rdev_major))), max(minors, number(uint64(st.Rdev_minor)))
		} else {
			sizes = max(sizes, len(l.size(st.Size)))
		}
	}
	// Devices have their numbers instead of a size, in the same column.
	if majors > 0 {
		sizes = max(sizes, majors+2+minors)
	}
	if total {
		// Blocks of 512 bytes, counted in KiB as ls(1) does by default.
		if l.human {
			l.a.out.WriteString("total " + lsfmt.Size(blocks*512) + "\n")
		} else {
			l.a.out.WriteString("total " + strconv.FormatUint((blocks+1)/2, 10) + "\n")
		}
	}
	for _, r := range rows {
		st := &r.Stat
		b := l.line[:0]
		if r.Err != nil {
			l.line = l.unknown(b, r, inodes, links, users, groups, sizes)
			l.a.out.Write(l.line)
			continue
		}
		if l.inode {
			b = append(padLeft(b, strconv.FormatUint(st.Ino, 10), inodes), ' ')
		}
		b = append(lsfmt.AppendMode(b, uint32(st.Mode)), ' ')
		b = append(padLeft(b, strconv.FormatUint(uint64(st.Nlink), 10), links), ' ')
		b = append(padOwner(b, names.users.nameOf(st.Uid), users), ' ')
		b = append(padOwner(b, names.groups.nameOf(st.Gid), groups), ' ')
		if isDevice(st) {
			b = padLeft(b, strconv.FormatUint(uint64(st.Rdev_major), 10)+",", sizes-minors-1)
			b = append(b, ' ')
			b = padLeft(b, strconv.FormatUint(uint64(st.Rdev_minor), 10), minors)
		} else {
			b = padLeft(b, l.size(st.Size), sizes)
		}
		b = append(b, ' ')
		b = append(b, l.clock.short(st.Mtime.Sec)...)
		b = append(b, ' ')
		b = append(b, l.quoted(r.name)...)
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			b = append(b, " -> "...)
			b = append(b, l.quoted(r.Link)...)
		} else {
			b = l.mark(b, r.Entry)
		}
		l.line = append(b, '\n')
		l.a.out.Write(l.line)
	}
}

// unknown appends the line of a file that could not be looked at. The directory may have
// its type; everything else is a question mark, as ls(1) prints it.
func (l *lister) unknown(b []byte, r row, inodes, links, users, groups, sizes int) []byte {
	if l.inode {
		b = append(padLeft(b, "?", inodes), ' ')
	}
	b = append(b, lsfmt.TypeLetter(uint32(r.Stat.Mode), '-'))
	b = append(b, "????????? "...)
	b = append(padLeft(b, "?", links), ' ')
	b = append(padRight(b, "?", users), ' ')
	b = append(padRight(b, "?", groups), ' ')
	b = append(padLeft(b, "?", sizes), ' ')
	b = append(padLeft(b, "?", len("Jan _2 15:04")), ' ')
	b = append(b, l.quoted(r.name)...)
	return append(b, '\n')
}

func (l *lister) size(n uint64) string {
	if l.human {
		return lsfmt.Size(n)
	}
	return strconv.FormatUint(n, 10)
}

func isDevice(st *unix.Statx_t) bool {
	m := st.Mode & unix.S_IFMT
	return m == unix.S_IFCHR || m == unix.S_IFBLK
}

// padLeft appends s, aligned to the right. It is for numbers, whose bytes are characters.
func padLeft(b []byte, s string, width int) []byte {
	for n := width - len(s); n > 0; n-- {
		b = append(b, ' ')
	}
	return append(b, s...)
}

// padOwner aligns names to the left and numbers to the right, as ls does. s is not empty.
func padOwner(b []byte, s string, width int) []byte {
	if s[0] >= '0' && s[0] <= '9' {
		return padLeft(b, s, width)
	}
	return padRight(b, s, width)
}

// padRight appends s, aligned to the left. Names are not only ASCII, so characters count.
func padRight(b []byte, s string, width int) []byte {
	b = append(b, s...)
	for n := width - utf8.RuneCountInString(s); n > 0; n-- {
		b = append(b, ' ')
	}
	return b
}

// terminalWidth returns the width of standard output in columns: 80 if it is not known, as
// on a serial line.
func terminalWidth() int {
	ws, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 {
		return 80
	}
	return int(ws.Col)
}

// columns fills the terminal's width, down before across. It takes the smallest number of
// lines that fits; with a line for each name, anything fits.
func (l *lister) columns(rows []row) {
	cells, widths := make([]string, len(rows)), make([]int, len(rows))
	for i, r := range rows {
		b := []byte{}
		if l.inode {
			b = append(append(b, r.number()...), ' ')
		}
		cells[i] = string(l.mark(append(b, l.quoted(r.name)...), r.Entry))
		widths[i] = utf8.RuneCountInString(cells[i])
	}
	n := len(rows)
	for height := 1; height <= n; height++ {
		cols := (n + height - 1) / height
		// A name has a character at least, so most heights are ruled out without
		// adding up the widths.
		if cols*3-2 > l.width && height < n {
			continue // two blanks separate names
		}
		sum, ws := -2, make([]int, cols)
		for c := range cols {
			for i := c * height; i < min(n, (c+1)*height); i++ {
				ws[c] = max(ws[c], widths[i])
			}
			sum += ws[c] + 2
		}
		if sum > l.width && height < n {
			continue
		}
		for r := range height {
			for c := range cols {
				i := c*height + r
				if i >= n {
					break
				}
				l.a.out.WriteString(cells[i])
				if i+height < n {
					l.a.out.WriteString(strings.Repeat(" ", ws[c]+2-widths[i]))
				}
			}
			l.a.out.WriteByte('\n')
		}
		return
	}
}
