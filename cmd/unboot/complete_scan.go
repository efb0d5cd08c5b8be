package main

import "strings"

// A scan reads the words of a command line that is being typed, as (*flagSet).parse
// does, except that it goes on after errors: the line is incomplete, and what precedes
// a mistake is still good for completing what follows.
type scan struct {
	cmd     *command
	flags   *flagSet
	options bool      // no "--" so far
	pending *expected // what the next word is the value of, or nil
	args    []string
}

// An expected value is the next word, or the rest of one.
type expected struct {
	kind   kind
	values []string
	set    func(string) error // or nil
}

// next reads a word.
func (s *scan) next(word string) {
	switch {
	case s.pending != nil:
		if s.pending.set != nil {
			// A value that is not valid has no effect; the command itself will report
			// it.
			_ = s.pending.set(word)
		}
		s.pending = nil
	case !s.options:
		s.args = append(s.args, word)
	case word == "--":
		s.options = false
	case s.cmd.words != nil && len(s.args) > 0 && isExpression(word):
		// The argument of an operator, E, is an expression and not a value.
		if w := s.cmd.wordNamed(word); w != nil && w.arg != "" && strings.HasPrefix(word, "-") && !strings.HasSuffix(w.arg, "E") {
			s.pending = &expected{w.kind, w.values, nil}
		} else if s.flags.isValued(word) {
			s.option(word)
		}
	case len(word) > 1 && word[0] == '-':
		s.option(word)
	default:
		s.args = append(s.args, word)
		// The rest of the line belongs to the program that is named.
		if s.cmd.args[0] == kindProgram {
			s.options = false
		}
	}
}

// option reads an option, or several letters.
func (s *scan) option(word string) {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		name, value, given := strings.Cut(name, "=")
		if spec, err := s.flags.long(name); err == nil && spec != nil {
			s.take(spec, value, given)
		}
		return
	}
	for i := 1; i < len(word); i++ {
		spec := s.flags.short(word[i])
		// Options without a value do not change what may follow.
		if spec == nil || spec.arg == "" {
			continue
		}
		s.take(spec, word[i+1:], i+1 < len(word))
		return
	}
}

// take sets an option, or has the next word be its value.
func (s *scan) take(spec *flagSpec, value string, given bool) {
	switch {
	case spec.arg == "":
	case given:
		_ = spec.set(value)
	default:
		s.pending = &expected{spec.kind, spec.values, spec.set}
	}
}

// isValued reports whether a word is just an option with a value.
func (f *flagSet) isValued(word string) bool {
	for _, s := range f.flags {
		for _, n := range s.names() {
			if n == word {
				return s.arg != ""
			}
		}
	}
	return false
}
