package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A flagSet reads options as GNU programs take them: anywhere among the
// arguments, short ones in one word (-lR), values in the same word or the next,
// "--" before what is none. It costs no start-up time, and has no usage texts:
// those are written by hand.
type flagSet struct{ flags []flagSpec }

type flagSpec struct {
	short byte // or 0
	long  string
	set   func(value string) error
	bool  bool
}

// errHelp is what -h and --help come to.
var errHelp = errors.New("help wanted")

// A usageError is one of the user's, on the command line.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func badUsage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func (f *flagSet) bool(p *bool, short byte, long string) {
	f.boolFunc(short, long, func() { *p = true })
}

func (f *flagSet) boolFunc(short byte, long string, set func()) {
	f.flags = append(f.flags, flagSpec{short, long, func(string) error { set(); return nil }, true})
}

func (f *flagSet) value(short byte, long string, set func(string) error) {
	f.flags = append(f.flags, flagSpec{short, long, set, false})
}

func (f *flagSet) string(p *string, short byte, long string) {
	f.value(short, long, func(v string) error { *p = v; return nil })
}

func (f *flagSet) list(p *[]string, short byte, long string) {
	f.value(short, long, func(v string) error { *p = append(*p, v); return nil })
}

func (f *flagSet) integer(p *int, short byte, long string) {
	f.value(short, long, func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return errors.New("not a number")
		}
		*p = n
		return nil
	})
}

func (f *flagSet) duration(p *time.Duration, short byte, long string) {
	f.value(short, long, func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return errors.New("not a duration such as 10s")
		}
		*p = d
		return nil
	})
}

// parse sets the options and returns the other arguments.
func (f *flagSet) parse(args []string) (rest []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		next := func() (string, bool) {
			if i+1 >= len(args) {
				return "", false
			}
			i++
			return args[i], true
		}
		switch {
		case arg == "--":
			return append(rest, args[i+1:]...), nil
		case strings.HasPrefix(arg, "--"):
			err = f.longFlag(arg[2:], next)
		case len(arg) > 1 && arg[0] == '-':
			err = f.shortFlags(arg[1:], next)
		default:
			rest = append(rest, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (f *flagSet) longFlag(word string, next func() (string, bool)) error {
	name, value, given := strings.Cut(word, "=")
	var match *flagSpec
	for i := range f.flags {
		s := &f.flags[i]
		if s.long == name && name != "" {
			match = s
			break
		}
		// As getopt_long: the start of a name will do if it is the only one.
		if len(name) > 1 && strings.HasPrefix(s.long, name) {
			if match != nil {
				return badUsage("option --%s can be --%s or --%s", name, match.long, s.long)
			}
			match = s
		}
	}
	switch {
	case match == nil && name == "help":
		return errHelp
	case match == nil:
		var names []string
		for i := range f.flags {
			names = append(names, f.flags[i].long)
		}
		hint := ""
		if n := nearest(name, names); n != "" {
			hint = fmt.Sprintf(", did you mean --%s?", n)
		}
		return badUsage("no option --%s%s", name, hint)
	case match.bool && given:
		return badUsage("option --%s takes no value", match.long)
	case match.bool:
		return match.set("")
	case !given:
		if value, given = next(); !given {
			return badUsage("option --%s needs a value", match.long)
		}
	}
	if err := match.set(value); err != nil {
		return badUsage("option --%s: %q: %v", match.long, value, err)
	}
	return nil
}

func (f *flagSet) shortFlags(word string, next func() (string, bool)) error {
	for i := 0; i < len(word); i++ {
		var match *flagSpec
		for k := range f.flags {
			if f.flags[k].short == word[i] {
				match = &f.flags[k]
			}
		}
		switch {
		case match == nil && word[i] == 'h':
			return errHelp
		case match == nil:
			return badUsage("no option -%c", word[i])
		case match.bool:
			if err := match.set(""); err != nil {
				return err
			}
			continue
		}
		value, ok := word[i+1:], true
		if value == "" {
			if value, ok = next(); !ok {
				return badUsage("option -%c needs a value", word[i])
			}
		}
		if err := match.set(value); err != nil {
			return badUsage("option -%c: %q: %v", word[i], value, err)
		}
		return nil
	}
	return nil
}
