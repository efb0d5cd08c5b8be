package augeas

import (
	"context"
	"fmt"
	"strings"
)

// Set sets the value of a node, which it makes if there is none.
func (h *Handle) Set(ctx context.Context, path, value string) error {
	return h.run(ctx, "set", expr(path), text(value))
}

// Clear removes the value of a node. It makes the node if there is none.
func (h *Handle) Clear(ctx context.Context, path string) error {
	return h.run(ctx, "clear", expr(path))
}

// Setm sets the values of the nodes below those of base that sub matches, or of those of
// base if sub is nil, and returns how many it has set.
func (h *Handle) Setm(ctx context.Context, base string, sub *string, value string) (int, error) {
	below := "."
	if sub != nil {
		below = *sub
	}
	words, err := h.quote(expr(base), expr(below), text(value))
	if err != nil {
		return 0, err
	}
	// Afterwards it could not be known what there was.
	n, cerr := h.countSet(ctx, base, sub)
	if err := h.do(ctx, append([]string{"setm"}, words...)...); err != nil {
		return 0, err
	}
	return n, cerr
}

// countSet returns how many nodes setm will change: for each node of base those that sub
// is there, or the one that will be made.
func (h *Handle) countSet(ctx context.Context, base string, sub *string) (int, error) {
	count := func(format string, args ...any) (int, error) {
		word, err := h.path(fmt.Sprintf(format, args...))
		if err != nil {
			return 0, err
		}
		return h.count(ctx, word)
	}
	all, err := count("%s", base)
	if err != nil || sub == nil || all == 0 {
		return all, err
	}
	there, err := count("(%s)/%s", base, *sub)
	if err != nil {
		return 0, err
	}
	with, err := count("(%s)[%s]", base, *sub)
	return there + all - with, err
}

// Insert makes a node with a label before or after another.
func (h *Handle) Insert(ctx context.Context, path, label string, before bool) error {
	words, err := h.quote(expr(path), text(label))
	if err != nil {
		return err
	}
	if strings.Contains(label, "/") {
		// augtool does not report that it has failed.
		return &Error{Message: Failed}
	}
	where := "after"
	if before {
		where = "before"
	}
	return h.do(ctx, "ins", words[1], where, words[0])
}

// Rm removes nodes and what is below them, and returns how many nodes that were.
func (h *Handle) Rm(ctx context.Context, path string) (int, error) {
	words, err := h.quote(expr(path))
	if err != nil {
		return 0, err
	}
	answer, err := h.ask(ctx, "rm", words[0])
	if err != nil {
		return 0, err
	}
	return parseRm(answer)
}

// Mv moves a node, with what is below it.
func (h *Handle) Mv(ctx context.Context, src, dst string) error {
	return h.run(ctx, "mv", expr(src), expr(dst))
}

// Transform has a lens read files that a pattern matches, or not read them, from the next
// load on. filter is "incl" or "excl".
func (h *Handle) Transform(ctx context.Context, lens, pattern, filter string) error {
	words, err := h.quote(text(lens), expr(pattern))
	if err != nil {
		return err
	}
	return h.do(ctx, "transform", words[0], filter, words[1])
}
