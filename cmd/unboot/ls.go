package main

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/lsfmt"
	"github.com/unboot/unboot/internal/treecopy"
)

var lsCommand = command{
	name:     "ls",
	short:    "list files",
	synopsis: []string{"[OPTION...] IMAGE[:PATH]..."},
	brief:    "[-lRa] IMAGE[:PATH]...",
	long: `Lists files as ls(1) does. Owners are named as the image's own /etc/passwd and
/etc/group have them. Times are in local time.
`,
	args: []kind{kindImagePath},
	options: func(f *flagSet) runFunc {
		l := &lister{first: true}
		f.bool(&l.all, "a", "all", "include names that start with a dot")
		f.bool(&l.almost, "A", "almost-all", "the same without . and ..")
		f.bool(&l.long, "l", "", "long: mode, links, owner, group, size, time, name")
		f.bool(&l.recursive, "R", "recursive", "list all directories below too")
		f.bool(&l.directory, "d", "directory", "list directories themselves, not what is in them")
		// -h is not help here, as in ls(1).
		f.bool(&l.human, "h", "human-readable", "print sizes as 1.5G (with -l)")
		f.bool(&l.inode, "i", "inode", "print inode numbers")
		f.boolFunc("n", "numeric-uid-gid", "long, with numeric owners", func() { l.long, l.numeric = true, true })
		f.bool(&l.reverse, "r", "reverse", "reverse the order")
		f.boolFunc("t", "", "sort by time, newest first", func() { l.sort = 't' })
		f.boolFunc("S", "", "sort by size, largest first", func() { l.sort = 'S' })
		f.boolFunc("U", "", "do not sort: the order of the directory", func() { l.sort = 'U' })
		f.bool(&l.one, "1", "", "one name per line, even on a terminal")
		f.bool(&l.classify, "F", "classify", "mark directories (/), links (@), programs (*), sockets (=), pipes (|)")
		f.bool(&l.json, "", "json", "print a JSON list, one object per file")
		return l.run
	},
	examples: []string{
		"unboot ls disk.img",
		"unboot ls -lR disk.img:/etc",
		"unboot ls -m /dev/sda15 disk.img:/EFI",
	},
	image: true,
}

// A lister has the options of ls, and what is kept from one list to the next.
type lister struct {
	a *app

	all, almost, long, recursive, directory bool
	human, inode, numeric, one, classify    bool
	reverse, json                           bool
	sort                                    byte // 0 by name, or t, S, U

	tty    bool
	width  int
	header bool // the directory's name before its list
	first  bool
	clock  *clock
	list   *jsonList
	line   []byte // reused for each line
}

func (l *lister) run(a *app, args []string) error {
	l.a, l.tty = a, isTerminal(os.Stdout)
	if len(args) == 0 {
		return badUsage("no IMAGE given")
	}
	if l.json {
		l.list = &jsonList{a: a}
		defer l.list.end()
	}
	// A width of 0 is one name per line, as for a pipe.
	if l.tty && !l.one && !l.long {
		l.width = terminalWidth()
	}
	l.clock = newClock()
	l.header = len(args) > 1 || l.recursive
	return l.arguments(args)
}

// arguments lists files first and then directories, as ls does. An argument that cannot
// be looked at is reported, and the others are listed.
func (l *lister) arguments(args []string) error {
	type dir struct {
		o    *opened
		path string
		name string
	}
	var dirs []dir
	for _, arg := range args {
		o, t, err := l.a.target(arg, false)
		if err != nil {
			return err
		}
		e, err := l.stat(o, t)
		if err != nil {
			l.a.fail(o.aboutTarget(t, err))
			continue
		}
		name := display(t.clean())
		if len(l.a.images) > 1 {
			name = o.path + ":" + name
		}
		if e.IsDir() && !l.directory {
			// The walk does not follow links, not even a first one.
			real, err := treecopy.RealPath(o.fs, t.clean())
			if err != nil {
				l.a.fail(o.aboutTarget(t, err))
				continue
			}
			dirs = append(dirs, dir{o, real, name})
			continue
		}
		l.print(o, []row{{name, e}}, false)
		l.first = false
	}
	for _, d := range dirs {
		if l.a.ctx.Err() != nil {
			break
		}
		l.tree(d.o, d.path, d.name)
	}
	return nil
}

// stat looks at an argument. As with ls(1), a link to a directory is followed, unless -l
// or -d asks for the link itself.
func (l *lister) stat(o *opened, t target) (*unboot.Entry, error) {
	p, err := o.existing(t)
	if err != nil {
		return nil, err
	}
	if !l.long && !l.directory {
		if st, err := o.fs.Stat(p); err == nil && st.IsDir() {
			return st.(*unboot.Entry), nil
		}
	}
	st, err := o.fs.Lstat(p)
	if err != nil {
		return nil, err
	}
	e := st.(*unboot.Entry)
	if e.Type()&os.ModeSymlink != 0 {
		if e.Link, err = o.fs.Readlink(p); err != nil {
			l.a.fail(o.about(p, err))
		}
	}
	return e, nil
}

// A row is a file with the name it is listed by.
type row struct {
	name string
	*unboot.Entry
}

// number returns the inode number, or a question mark if the file could not be looked at.
func (r *row) number() string {
	if r.Err != nil {
		return "?"
	}
	return strconv.FormatUint(r.Stat.Ino, 10)
}

// tree lists a directory, and those below it with -R. It keeps a stack instead of calling
// itself: the depth of an image's directories has no limit.
func (l *lister) tree(o *opened, p, name string) {
	ahead := newAheadLister(l, o)
	defer ahead.stop()
	todo := []*listing{{path: p, name: name}}
	for len(todo) > 0 && l.a.ctx.Err() == nil {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		ahead.wait(d)
		l.show(o, d)
		// In reverse, so that the first is on top.
		for i := len(d.subs) - 1; i >= 0; i-- {
			todo = append(todo, d.subs[i])
		}
	}
}

// show prints the list of one directory. After an error, the entries that were read before
// it are still printed.
func (l *lister) show(o *opened, d *listing) {
	if d.err != nil {
		l.a.fail(o.aboutEntry(d.path, d.err))
		if len(d.rows) == 0 {
			return
		}
	}
	if l.header && !l.json {
		if !l.first {
			l.a.out.WriteByte('\n')
		}
		l.a.out.WriteString(l.quoted(d.name) + ":\n")
	}
	l.first = false
	l.print(o, d.rows, true)
	d.rows = nil
}

// order sorts rows. Files of the same time or size are in the order of their names, so that
// the output does not depend on the order of the directory.
func (l *lister) order(rows []row) {
	// Bytes are compared, as in the C locale: the order does not depend on where ls
	// runs.
	less := func(x, y row) int { return strings.Compare(x.name, y.name) }
	switch l.sort {
	case 'U':
		return
	case 't':
		less = func(x, y row) int {
			a, b := &x.Stat.Mtime, &y.Stat.Mtime
			return cmp.Or(cmp.Compare(b.Sec, a.Sec), cmp.Compare(b.Nsec, a.Nsec), strings.Compare(x.name, y.name))
		}
	case 'S':
		less = func(x, y row) int {
			return cmp.Or(cmp.Compare(y.Stat.Size, x.Stat.Size), strings.Compare(x.name, y.name))
		}
	}
	slices.SortStableFunc(rows, less)
	if l.reverse {
		slices.Reverse(rows)
	}
}

// quoted returns a name for the output: quoted on a terminal, which a name could control,
// and unchanged for another program.
func (l *lister) quoted(name string) string {
	if l.tty {
		return quote(name)
	}
	return name
}

// print prints rows, in the format of the options. total says that they are a directory's,
// for which -l prints the sum of its blocks; arguments have none.
func (l *lister) print(o *opened, rows []row, total bool) {
	for _, r := range rows {
		if r.Err != nil {
			l.a.fail(o.aboutEntry(r.Path(), r.Err))
		}
	}
	switch {
	case l.json:
		for _, r := range rows {
			if r.Err != nil {
				l.list.add(newJSONUnknown(r.name, uint32(r.Stat.Mode), r.Err))
				continue
			}
			l.list.add(newJSONFile(r.name, &r.Stat, r.Link, o.names()))
		}
	case l.long:
		l.longList(o, rows, total)
	case l.width > 0:
		l.columns(rows)
	default:
		for _, r := range rows {
			b := l.line[:0]
			if l.inode {
				b = append(append(b, r.number()...), ' ')
			}
			b = append(b, l.quoted(r.name)...)
			b = l.mark(b, r.Entry)
			l.line = append(b, '\n')
			l.a.out.Write(l.line)
		}
	}
}

// mark appends the indicator of -F to a name.
func (l *lister) mark(b []byte, e *unboot.Entry) []byte {
	if !l.classify {
		return b
	}
	switch lsfmt.TypeLetter(uint32(e.Stat.Mode), 'f') {
	case 'd':
		return append(b, '/')
	case 'l':
		return append(b, '@')
	case 'p':
		return append(b, '|')
	case 's':
		return append(b, '=')
	case 'f':
		if e.Stat.Mode&0o111 != 0 {
			return append(b, '*')
		}
	}
	return b
}
