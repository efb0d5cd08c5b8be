package main

import (
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/lsfmt"
	"github.com/unboot/unboot/internal/treecopy"
)

var findCommand = command{
	name:     "find",
	short:    "find files",
	synopsis: []string{"[OPTION...] IMAGE[:PATH]... [EXPRESSION]"},
	brief:    "IMAGE[:PATH] [EXPR]",
	long: `Finds files as find(1) does. Paths are printed as they are in the image.
`,
	args:    []kind{kindImagePath},
	options: noOptions(runFind),
	parse:   parseFind,
	words:   findWords,
	examples: []string{
		"unboot find disk.img:/etc -name '*.conf' -newermt 2024-01-01",
		"unboot find disk.img -type f -perm /6000 -ls",
		`unboot find disk.img:/home -size +100M -printf '%s %p\n'`,
	},
	image: true,
}

// parseFind sets the options, and returns the images and the expression. Options may
// precede the first IMAGE, where no test can be, and -m may follow the last one. They are
// recognized by their place, as "-mount" would otherwise be -m with a value, while it is a
// test of find(1).
func parseFind(f *flagSet, args []string) ([]string, error) {
	start := 0
	var before []string
	for start < len(args) && strings.HasPrefix(args[start], "-") && args[start] != "-" {
		before = append(before, args[start])
		if args[start] == "-h" || args[start] == "--help" {
			return nil, errHelp
		}
		valued := f.takesNext(args[start])
		start++
		if valued && start < len(args) {
			before = append(before, args[start])
			start++
		}
	}
	end := start
	for end < len(args) && !isExpression(args[end]) {
		end++
	}
	expr := args[end:]
	// find(1) has no tests of these names.
	for len(expr) >= 2 && (expr[0] == "-m" || expr[0] == "--mount") {
		before, expr = append(before, expr[:2]...), expr[2:]
	}
	if _, err := f.parse(before); err != nil {
		return nil, err
	}
	// The capacity is cut off so that append copies instead of overwriting args.
	return append(args[start:end:end], expr...), nil
}

// takesNext reports whether the value of an option is the next word.
func (f *flagSet) takesNext(word string) bool {
	name, long := strings.CutPrefix(word, "--")
	if !long {
		return word == "-m"
	}
	// An unknown option is for parse to report.
	s, err := f.long(name)
	return err == nil && s != nil && s.arg != ""
}

func runFind(a *app, args []string) error {
	end := 0
	for end < len(args) && !isExpression(args[end]) {
		end++
	}
	if end == 0 {
		return badUsage("no IMAGE given")
	}
	images, expr := args[:end], args[end:]
	fi := &finder{a: a, max: -1, now: newClock().now, clock: newClock(), tty: isTerminal(os.Stdout)}
	for i, arg := range images {
		o, t, err := a.target(arg, false)
		if err != nil {
			return err
		}
		fi.o = o
		// Parsed for each image, since names in the expression are those of the image:
		// -newer, -user.
		p := &findParser{f: fi, args: expr}
		if fi.expr, err = p.parse(); err != nil {
			return err
		}
		// One list for all images: standard output is one JSON value.
		if i == 0 && fi.json {
			fi.list = &jsonList{a: a}
		}
		fi.run(t)
		if fi.quit {
			break
		}
	}
	if fi.list != nil {
		fi.list.end()
	}
	return nil
}

// isExpression reports whether a word begins the expression, by the rules of find(1):
// a lone "-" does not.
func isExpression(s string) bool {
	return s == "(" || s == "!" || s == ")" || s == "," || len(s) > 1 && s[0] == '-'
}

// A finder is one run of find.
type finder struct {
	a    *app
	o    *opened
	expr test
	min  int
	max  int // -1 for no limit
	xdev bool
	json bool // an action of the expression
	// links has the targets of symbolic links read, which takes a call for each: only
	// an expression that uses them sets it.
	links bool
	tty   bool
	quit  bool
	list  *jsonList
	// now is the time at which find started: all ages are relative to it, so that a
	// long run does not treat files differently.
	now   timeNow
	clock *clock
	line  []byte // reused for each line of output
}

// A found file is what tests are about.
type found struct {
	*unboot.Entry
	path  string // as printed
	depth int
	root  string // the starting point
}

func (f *found) mode() uint32 { return uint32(f.Stat.Mode) }

// run walks from one starting point, and evaluates the expression for each file below it.
// Errors are reported, and the other starting points are still searched.
func (f *finder) run(t target) {
	root, err := f.o.existing(t)
	if err != nil {
		f.a.fail(f.o.aboutTarget(t, err))
		return
	}
	// The walk needs the resolved path, but paths are printed as the argument has it.
	shown := func(p string) string {
		if root == t.clean() {
			return display(p)
		}
		return display(path.Join(t.clean(), treecopy.Relative(root, p)))
	}
	w := &unboot.WalkOptions{Links: f.links, OneFileSystem: f.xdev}
	// The depth is counted by slashes, relative to the starting point.
	base := 0
	if root != "." {
		base = strings.Count(root, "/") + 1
	}
	var cur found // reused: no test keeps it beyond its call
	cur.root = shown(root)
	f.a.each(f.o, root, w, func(e *unboot.Entry) bool {
		p := e.Path()
		depth := strings.Count(p, "/") + 1 - base
		if p == root || p == "." {
			depth = 0
		}
		if depth == f.max && e.IsDir() {
			// Its own tests are still evaluated.
			e.SkipDir()
		}
		if e.Err != nil {
			f.a.fail(f.o.aboutEntry(p, e.Err))
		}
		// A file that could not be looked at is still tested by what is known, as
		// find(1) does.
		if depth >= f.min {
			cur.Entry, cur.path, cur.depth = e, shown(p), depth
			f.expr(&cur)
		}
		return !f.quit
	})
}

// base returns what -name matches: the root of the image is called "/".
func (f *found) base() string {
	if f.path == "/" {
		return "/"
	}
	return path.Base(f.path)
}

// print writes a path and a terminator. On a terminal control characters are quoted; in a
// pipe the bytes of the name are kept.
func (f *finder) print(e *found, end byte) {
	b := f.line[:0]
	if f.tty && end == '\n' {
		b = append(b, quote(e.path)...)
	} else {
		b = append(b, e.path...)
	}
	f.line = append(b, end)
	f.a.out.Write(f.line)
}

// ls writes a line as find -ls does.
func (f *finder) ls(e *found) {
	st := &e.Stat
	names := f.o.names()
	b := padLeft(f.line[:0], strconv.FormatUint(st.Ino, 10), 9)
	b = append(b, ' ')
	// In KiB, of sectors of 512 bytes.
	b = padLeft(b, strconv.FormatUint((st.Blocks+1)/2, 10), 6)
	b = append(b, ' ')
	b = lsfmt.AppendMode(b, e.mode())
	b = append(b, ' ')
	b = padLeft(b, strconv.FormatUint(uint64(st.Nlink), 10), 3)
	b = append(b, ' ')
	b = padRight(b, names.users.nameOf(st.Uid), 8)
	b = append(b, ' ')
	b = padRight(b, names.groups.nameOf(st.Gid), 8)
	b = append(b, ' ')
	size := strconv.FormatUint(st.Size, 10)
	if isDevice(st) {
		size = deviceNumber(st, ", ")
	}
	b = padLeft(b, size, 8)
	b = append(b, ' ')
	b = append(b, f.clock.short(st.Mtime.Sec)...)
	b = append(b, ' ')
	// As find does, so that a newline in a name does not end the line.
	b = append(b, escapeLs(e.path)...)
	if e.mode()&unix.S_IFMT == unix.S_IFLNK {
		b = append(b, " -> "...)
		b = append(b, escapeLs(e.Link)...)
	}
	f.line = append(b, '\n')
	f.a.out.Write(f.line)
}

// escapeLs writes blanks and control characters with backslashes.
func escapeLs(s string) string {
	// Most names need no copy.
	plain := true
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '\\' || s[i] == '"' || s[i] == 0x7f {
			plain = false
		}
	}
	if plain {
		return s
	}
	var b []byte
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ' ' || c == '\\' || c == '"':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
