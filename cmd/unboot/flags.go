package main

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// A flagSet reads options as GNU programs take them: anywhere among the
// arguments, short ones in one word (-lR), values in the same word or the next,
// "--" before the first argument that only looks like an option. Package flag can
// do none of this, and people use ls, cp and find without looking up their options.
type flagSet struct{ flags []*flagSpec }

// A flagSpec is an option. Its documentation is made from this everywhere: usage text,
// manual page and completion.
type flagSpec struct {
	short string // letters, each of which is the option
	long  string // or ""
	arg   string // what its value is called, "" if it takes none
	help  string // without a full stop
	// set is called each time the option is given: the last value wins, or values add
	// up.
	set func(value string) error

	kind   kind     // of its value
	secret bool     // no message has its value
	values []string // those that its value can be
}

// among declares the values that an option takes, for completion. It does not check them:
// the message of the command itself says more.
func (s *flagSpec) among(values ...string) { s.values = values }

// names returns all spellings of an option.
func (s *flagSpec) names() []string {
	var names []string
	for _, c := range []byte(s.short) {
		names = append(names, "-"+string(c))
	}
	if s.long != "" {
		names = append(names, "--"+s.long)
	}
	return names
}

// badValue is the error of a value that the option does not take.
func (s *flagSpec) badValue(option, value string, err error) error {
	if s.secret {
		return badUsage("option %s: %v", option, err)
	}
	return badUsage("option %s: %q: %v", option, value, err)
}

// errHelp is the result of -h and --help, which are known to all commands that do not use
// the letter for something else, as ls does.
var errHelp = errors.New("help wanted")

// A usageError is a mistake on the command line. It has an exit code of its own, and its
// message refers to the usage text.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func badUsage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// bool declares an option without a value, which sets a variable.
func (f *flagSet) bool(p *bool, short, long, help string) {
	f.boolFunc(short, long, help, func() { *p = true })
}

// boolFunc declares an option without a value, for options that set several variables
// or choose one of several values: the last one given then wins, as with ls -t and -S.
func (f *flagSet) boolFunc(short, long, help string, set func()) {
	f.value(short, long, "", help, func(string) error { set(); return nil })
}

// value declares an option with a value, or without one if arg is empty. The order of
// declarations is that of the usage text.
func (f *flagSet) value(short, long, arg, help string, set func(string) error) *flagSpec {
	s := &flagSpec{short: short, long: long, arg: arg, help: help, set: set}
	f.flags = append(f.flags, s)
	return s
}

// string declares an option whose value is taken as it is, empty or not.
func (f *flagSet) string(p *string, short, long, arg, help string) *flagSpec {
	return f.value(short, long, arg, help, func(v string) error { *p = v; return nil })
}

// list declares an option that may be repeated. Values are not split at commas, as
// names of files may have them.
func (f *flagSet) list(p *[]string, short, long, arg, help string) *flagSpec {
	return f.value(short, long, arg, help, func(v string) error { *p = append(*p, v); return nil })
}

// integer declares an option whose value is a decimal number of at least 0.
func (f *flagSet) integer(p *int, short, long, arg, help string) *flagSpec {
	return f.value(short, long, arg, help, func(v string) error {
		// The message of strconv names a Go function.
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return errors.New("not a number")
		}
		*p = n
		return nil
	})
}

// size declares an option whose value is a number of bytes, as parseSize reads it.
func (f *flagSet) size(p *int64, short, long, arg, help string) *flagSpec {
	return f.value(short, long, arg, help, func(v string) error {
		n, err := parseSize(v)
		if err == nil {
			*p = n
		}
		return err
	})
}

// parseSize returns the number of bytes that a size on a command line means, which is
// written as for qemu-img(1) or truncate(1): 512, 1.5G, 10g, 10GiB. The letters are powers of
// 1024. KB and the like are refused, as they are powers of 1000 to some.
func parseSize(v string) (int64, error) {
	const letters = "KMGTPE"
	number, shift := v, 0
	if n, ok := strings.CutSuffix(v, "iB"); ok && n != "" && strings.Contains(letters, n[len(n)-1:]) {
		number = n
	}
	if last := len(number) - 1; last >= 0 {
		if i := strings.Index(letters, strings.ToUpper(number[last:])); i >= 0 {
			number, shift = number[:last], 10*(i+1)
		}
	}
	n, ok := new(big.Rat).SetString(number)
	// SetString takes fractions and exponents, too.
	if ok && strings.Trim(number, "0123456789.") == "" {
		n.Mul(n, new(big.Rat).SetInt64(1<<shift))
		if n.IsInt() && n.Num().IsInt64() {
			return n.Num().Int64(), nil
		}
	}
	return 0, errors.New("not a size such as 512M")
}

// duration declares an option whose value is a time with a unit: 10 without one could
// be seconds or minutes.
func (f *flagSet) duration(p *time.Duration, short, long, arg, help string) *flagSpec {
	return f.value(short, long, arg, help, func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return errors.New("not a duration such as 10s")
		}
		*p = d
		return nil
	})
}

// parse sets the options and returns the other arguments.
func (f *flagSet) parse(args []string) (rest []string, err error) { return f.parseBefore(args, -1) }

// parseBefore is parse for a command line that ends with another one, to which everything
// belongs that follows "--", or the argument after the first n if n is not negative.
func (f *flagSet) parseBefore(args []string, n int) (rest []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		// next takes the following word as a value, whatever it looks like: "-m -x"
		// gives -m the value "-x", as getopt(3) does.
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
		// A lone "-" is an argument: standard input or output.
		case len(arg) > 1 && arg[0] == '-':
			err = f.shortFlags(arg[1:], next)
		case len(rest) == n:
			return append(rest, args[i:]...), nil
		default:
			rest = append(rest, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// long returns the option that a word means, or nil. As with getopt_long(3), the start of
// a name is enough if only one option begins with it.
func (f *flagSet) long(name string) (match *flagSpec, err error) {
	for _, s := range f.flags {
		// An exact name wins over longer ones that begin with it. Options without a
		// long name have "".
		if s.long == name && name != "" {
			return s, nil
		}
		// One letter is rather a short option with a dash too many.
		if len(name) > 1 && strings.HasPrefix(s.long, name) {
			if match != nil {
				err = badUsage("option --%s can be --%s or --%s", name, match.long, s.long)
			}
			match = s
		}
	}
	if err != nil {
		return nil, err
	}
	return match, nil
}

// short returns the option of a letter, or nil.
func (f *flagSet) short(letter byte) *flagSpec {
	for _, s := range f.flags {
		if strings.IndexByte(s.short, letter) >= 0 {
			return s
		}
	}
	return nil
}

// longFlag sets a long option. next returns the following word, and is called only if
// the option needs a value and has none after an equals sign.
func (f *flagSet) longFlag(word string, next func() (string, bool)) error {
	name, value, given := strings.Cut(word, "=")
	match, err := f.long(name)
	switch {
	case err != nil:
		return err
	// Only if the command has no such option itself.
	case match == nil && name == "help":
		return errHelp
	case match == nil:
		var names []string
		for _, s := range f.flags {
			names = append(names, s.long)
		}
		hint := ""
		if n := nearest(name, names); n != "" {
			hint = fmt.Sprintf(", did you mean --%s?", n)
		}
		return badUsage("no option --%s%s", name, hint)
	case match.arg == "" && given:
		return badUsage("option --%s takes no value", match.long)
	case match.arg == "":
		return match.set("")
	case !given:
		if value, given = next(); !given {
			return badUsage("option --%s needs a value", match.long)
		}
	}
	if err := match.set(value); err != nil {
		return match.badValue("--"+match.long, value, err)
	}
	return nil
}

// shortFlags sets the options of a word such as -lR. Only the last can have a value.
func (f *flagSet) shortFlags(word string, next func() (string, bool)) error {
	for i := 0; i < len(word); i++ {
		match := f.short(word[i])
		switch {
		// Reached only where -h is not an option of the command.
		case match == nil && word[i] == 'h':
			return errHelp
		case match == nil:
			return badUsage("no option -%c", word[i])
		case match.arg == "":
			if err := match.set(""); err != nil {
				return err
			}
			continue
		}
		// The rest of the word is the value, so no more letters follow.
		value, ok := word[i+1:], true
		if value == "" {
			if value, ok = next(); !ok {
				return badUsage("option -%c needs a value", word[i])
			}
		}
		if err := match.set(value); err != nil {
			return match.badValue("-"+word[i:i+1], value, err)
		}
		return nil
	}
	return nil
}
