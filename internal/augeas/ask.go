package augeas

import (
	"context"
)

// ask gives a command, whose words are quoted, and returns the answer.
func (h *Handle) ask(ctx context.Context, words ...string) (string, error) {
	return h.tool.ask(ctx, words...)
}

// An arg is an argument of a command that is not quoted yet.
type arg struct {
	s    string
	path bool // it is a path expression
}

func text(s string) arg { return arg{s: s} }
func expr(s string) arg { return arg{s, true} }

// quote quotes arguments.
func (h *Handle) quote(args ...arg) ([]string, error) {
	words := make([]string, len(args))
	for i, a := range args {
		var err error
		if a.path {
			words[i], err = h.path(a.s)
		} else {
			words[i], err = quote(a.s)
		}
		if err != nil {
			return nil, err
		}
	}
	return words, nil
}

// run quotes arguments and gives a command that has no answer.
func (h *Handle) run(ctx context.Context, command string, args ...arg) error {
	words, err := h.quote(args...)
	if err != nil {
		return err
	}
	return h.do(ctx, append([]string{command}, words...)...)
}

// do gives a command that has no answer.
func (h *Handle) do(ctx context.Context, words ...string) error {
	answer, err := h.ask(ctx, words...)
	if err == nil && answer != "" {
		err = badAnswer(answer)
	}
	return err
}

// count returns how many nodes a quoted path expression matches.
func (h *Handle) count(ctx context.Context, path string) (int, error) {
	answer, err := h.ask(ctx, "count", path)
	if err != nil {
		return 0, err
	}
	return parseCount(answer)
}

// value asks get or label about a path expression. The error is ErrNoNode or
// ErrNoValue if there is none.
func (h *Handle) value(ctx context.Context, command, path string) (string, error) {
	word, err := h.path(path)
	if err != nil {
		return "", err
	}
	answer, err := h.ask(ctx, command, word)
	if err != nil {
		return "", err
	}
	before, after := around(path)
	return parseValue(before+path+after, answer)
}
