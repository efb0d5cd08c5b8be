package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/lsfmt"
	"golang.org/x/sys/unix"
)

// A test reports whether a file matches. Actions are tests with a side effect. Parsing
// makes closures of the expression once, instead of interpreting it for each file.
type test func(*found) bool

type timeNow = time.Time

// A findParser reads an expression by recursive descent: -o binds less than -a, which may
// be left out, and ! binds most.
type findParser struct {
	f      *finder
	args   []string
	action bool // the expression has an action, so -print is not implied
	depth  int
}

func (p *findParser) parse() (test, error) {
	f := p.f
	// Actions that an earlier image's parse has found would otherwise stay.
	f.json = false
	t := func(*found) bool { return true }
	if len(p.args) > 0 {
		var err error
		if t, err = p.or(); err != nil {
			return nil, err
		}
		if len(p.args) > 0 {
			return nil, badUsage("unexpected %s", quote(p.args[0]))
		}
	}
	if p.action {
		return t, nil
	}
	return func(e *found) bool {
		if t(e) {
			f.print(e, '\n')
		}
		return true
	}, nil
}

// peek returns the next word, or "" at the end. No word of an expression is empty but
// the argument of a test, which is never looked at this way.
func (p *findParser) peek() string {
	if len(p.args) == 0 {
		return ""
	}
	return p.args[0]
}

func (p *findParser) next() string {
	s := p.args[0]
	p.args = p.args[1:]
	return s
}

// or parses the whole of an expression, or of what stands in parentheses.
func (p *findParser) or() (test, error) {
	t, err := p.and()
	for err == nil && (p.peek() == "-o" || p.peek() == "-or") {
		p.next()
		var right test
		right, err = p.and()
		// The closure needs the value of this turn, and not t, which is about to be
		// itself.
		left := t
		t = func(e *found) bool { return left(e) || right(e) }
	}
	return t, err
}

// and parses factors in a row: -a may be left out. What ends them is for the caller.
func (p *findParser) and() (test, error) {
	t, err := p.factor()
	for err == nil {
		switch p.peek() {
		case "", ")", "-o", "-or":
			return t, nil
		case "-a", "-and":
			p.next()
		}
		var right test
		right, err = p.factor()
		left := t
		t = func(e *found) bool { return left(e) && right(e) }
	}
	return t, err
}

// factor parses a test, which may be negated, or an expression in parentheses.
func (p *findParser) factor() (test, error) {
	if len(p.args) == 0 {
		return nil, badUsage("the expression is incomplete")
	}
	// Bounds the recursion of the parser, and that of the tests that it returns.
	if p.depth++; p.depth > 1000 {
		return nil, badUsage("the expression is nested too deeply")
	}
	defer func() { p.depth-- }()
	switch s := p.next(); s {
	case "!", "-not":
		t, err := p.factor()
		if err != nil {
			return nil, err
		}
		return func(e *found) bool { return !t(e) }, nil
	case "(":
		t, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.peek() != ")" {
			return nil, badUsage("missing )")
		}
		p.next()
		return t, nil
	default:
		return p.primary(s)
	}
}

var yes = func(*found) bool { return true }

// primary reads a test without an argument, an action, or an option.
func (p *findParser) primary(name string) (test, error) {
	f := p.f
	switch name {
	case "-true":
		return yes, nil
	case "-false":
		return func(*found) bool { return false }, nil
	case "-print", "-print0":
		p.action = true
		end := byte('\n')
		if name == "-print0" {
			end = 0
		}
		return func(e *found) bool { f.print(e, end); return true }, nil
	case "-ls":
		p.action, f.links = true, true
		return func(e *found) bool { f.ls(e); return true }, nil
	case "-json", "--json":
		p.action, f.json, f.links = true, true, true
		return func(e *found) bool {
			f.list.add(newJSONFile(e.path, &e.Stat, e.Link, f.o.names()))
			return true
		}, nil
	// Not an action: without another one, the path is printed.
	case "-prune":
		return func(e *found) bool { e.SkipDir(); return true }, nil
	case "-quit":
		p.action = true
		// The walk ends after this file; actions before it in the expression are done
		// already.
		return func(*found) bool { f.quit = true; return true }, nil
	case "-xdev", "-mount":
		f.xdev = true
		return yes, nil
	// These are known from find(1), so their absence deserves a better message than
	// that of an unknown test.
	case "-depth", "-d", "-delete", "-exec", "-execdir", "-ok":
		return nil, badUsage("%s is not supported (pipe -print0 to xargs -0, with unboot rm or cat)", name)
	case "-empty":
		return p.empty, nil
	case "-nouser":
		return func(e *found) bool { _, ok := f.o.names().users.names[e.Stat.Uid]; return !ok }, nil
	case "-nogroup":
		return func(e *found) bool { _, ok := f.o.names().groups.names[e.Stat.Gid]; return !ok }, nil
	}
	if !isExpression(name) || name == ")" || name == "," {
		return nil, badUsage("unexpected %s: images must precede the expression", quote(name))
	}
	if len(p.args) == 0 {
		// With some argument, to distinguish a test that lacks one from a test that
		// does not exist.
		if _, err := p.withArgument(name, "0"); err == errUnknown {
			return nil, badUsage("no test %s", quote(name))
		}
		return nil, badUsage("%s needs an argument", name)
	}
	t, err := p.withArgument(name, p.next())
	if err == errUnknown {
		return nil, badUsage("no test %s", quote(name))
	}
	return t, err
}

// empty reports whether a file or directory is empty. It reads the directory only when it
// is evaluated: tests before it in the expression save that.
func (p *findParser) empty(e *found) bool {
	switch e.mode() & unix.S_IFMT {
	case unix.S_IFREG:
		return e.Stat.Size == 0
	case unix.S_IFDIR:
		for _, err := range p.f.o.fs.Entries(e.Path(), &unboot.WalkOptions{Mask: unix.STATX_TYPE}) {
			return err != nil
		}
		return true
	}
	return false
}

var errUnknown = badUsage("unknown")

// withArgument parses a test that has an argument. What can be known from the command line
// is evaluated here, once: the test itself runs for each of perhaps millions of files.
func (p *findParser) withArgument(name, arg string) (test, error) {
	f := p.f
	bad := func(what string) error { return badUsage("%s %s: %s", name, quote(arg), what) }
	switch name {
	case "-name", "-iname":
		g := newGlob(arg, name == "-iname")
		return func(e *found) bool { return g.match(e.base()) }, nil
	// A star matches slashes too.
	case "-path", "-ipath", "-wholename", "-iwholename":
		g := newGlob(arg, strings.HasPrefix(name, "-i"))
		return func(e *found) bool { return g.match(e.path) }, nil
	case "-lname", "-ilname":
		f.links = true
		g := newGlob(arg, name == "-ilname")
		return func(e *found) bool { return e.mode()&unix.S_IFMT == unix.S_IFLNK && g.match(e.Link) }, nil
	case "-type":
		// GNU find separates several types with commas.
		types := strings.ReplaceAll(arg, ",", "")
		if types == "" || strings.Trim(types, "fdlbcps") != "" {
			return nil, bad("expected letters of fdlbcps")
		}
		return func(e *found) bool { return strings.IndexByte(types, lsfmt.TypeLetter(e.mode(), 'f')) >= 0 }, nil
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 0 {
			return nil, bad("not a number")
		}
		if name == "-maxdepth" {
			f.max = n
		} else {
			f.min = n
		}
		return yes, nil
	case "-size":
		return p.size(arg, bad)
	case "-links", "-inum", "-uid", "-gid":
		cmp, err := compare(arg)
		if err != nil {
			return nil, bad("not a number")
		}
		return func(e *found) bool {
			switch name {
			case "-links":
				return cmp(int64(e.Stat.Nlink))
			case "-inum":
				return cmp(int64(e.Stat.Ino))
			case "-uid":
				return cmp(int64(e.Stat.Uid))
			}
			return cmp(int64(e.Stat.Gid))
		}, nil
	case "-user", "-group":
		// The image's users, never those of the host.
		names := f.o.names().users
		if name == "-group" {
			names = f.o.names().groups
		}
		id, ok := names.idOf(arg)
		if !ok {
			return nil, bad("the image does not know it")
		}
		if name == "-user" {
			return func(e *found) bool { return e.Stat.Uid == uint32(id) }, nil
		}
		return func(e *found) bool { return e.Stat.Gid == uint32(id) }, nil
	case "-perm":
		return permTest(arg, bad)
	case "-newer", "-anewer", "-cnewer":
		// The reference is a file in the image.
		ref := target{path: arg}
		path, err := f.o.existing(ref)
		if err != nil {
			return nil, f.o.aboutTarget(ref, err)
		}
		st, err := f.o.fs.Stat(path)
		if err != nil {
			return nil, f.o.aboutTarget(ref, err)
		}
		than, which := st.ModTime(), name[1]
		return func(e *found) bool { return e.time(which).After(than) }, nil
	case "-newermt":
		// Without a zone, local time, as find(1) takes it.
		for _, layout := range []string{time.RFC3339, "2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
			if than, err := time.ParseInLocation(layout, arg, time.Local); err == nil {
				return func(e *found) bool { return e.time('m').After(than) }, nil
			}
		}
		return nil, bad("expected a time such as 2024-01-31 or 2024-01-31T12:00:00Z")
	case "-mtime", "-atime", "-ctime", "-mmin", "-amin", "-cmin":
		cmp, err := compare(arg)
		if err != nil {
			return nil, bad("not a number")
		}
		unit := 24 * time.Hour
		if strings.HasSuffix(name, "min") {
			unit = time.Minute
		}
		which := name[1]
		return func(e *found) bool {
			age := f.now.Sub(e.time(which))
			if unit == time.Minute {
				age += unit - 1 // find rounds minutes up, and days down
			}
			return cmp(int64(age / unit))
		}, nil
	case "-printf":
		p.action = true
		return p.printf(arg)
	}
	return nil, errUnknown
}

// time returns the time that a letter of a test or directive stands for.
func (f *found) time(which byte) time.Time {
	switch which {
	case 'a':
		return stamp(f.Stat.Atime)
	case 'c':
		return stamp(f.Stat.Ctime)
	}
	return stamp(f.Stat.Mtime)
}

// compare reads N, +N or -N.
func compare(s string) (func(int64) bool, error) {
	sign := byte(0)
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[0], s[1:]
	}
	// 63 bits, so that it fits into the int64 that it is compared with.
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return nil, err
	}
	want := int64(n)
	switch sign {
	case '+':
		return func(v int64) bool { return v > want }, nil
	case '-':
		return func(v int64) bool { return v < want }, nil
	}
	return func(v int64) bool { return v == want }, nil
}

// size parses a number of units, to which sizes are rounded up: "-size -1M" matches empty
// files only, as with find(1).
func (p *findParser) size(arg string, bad func(string) error) (test, error) {
	// Blocks of 512 bytes are the default of POSIX.
	unit, num := uint64(512), arg
	if arg != "" {
		if i := strings.IndexByte("cwbkMG", arg[len(arg)-1]); i >= 0 {
			unit, num = []uint64{1, 2, 512, 1 << 10, 1 << 20, 1 << 30}[i], arg[:len(arg)-1]
		}
	}
	cmp, err := compare(num)
	if err != nil {
		return nil, bad("expected a number and one of cwbkMG")
	}
	return func(e *found) bool {
		n := e.Stat.Size / unit
		if e.Stat.Size%unit != 0 {
			n++
		}
		return cmp(int64(n))
	}, nil
}

// permTest parses an octal mode: exactly that, with - at least its bits, and with / any of
// them. Symbolic modes are not supported.
func permTest(arg string, bad func(string) error) (test, error) {
	how, num := byte(0), arg
	if arg != "" && (arg[0] == '-' || arg[0] == '/') {
		how, num = arg[0], arg[1:]
	}
	v, err := strconv.ParseUint(num, 8, 16)
	if err != nil || v > 0o7777 {
		return nil, bad("expected an octal mode")
	}
	want := uint32(v)
	return func(e *found) bool {
		m := e.mode() & 0o7777
		switch how {
		case '-':
			return m&want == want
		case '/':
			// "/000" matches any file, as GNU find has it.
			return want == 0 || m&want != 0
		}
		return m == want
	}, nil
}
