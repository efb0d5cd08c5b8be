package augeas

import (
	"context"
	"strings"
)

// path quotes a path expression. It must have no variable that was removed.
func (h *Handle) path(s string) (string, error) {
	for name := range h.undefined {
		for i := 0; i < len(s); i++ {
			if end := i + 1 + len(name); s[i] == '$' && strings.HasPrefix(s[i+1:], name) && (end == len(s) || !nameByte(s[end])) {
				return "", &Error{"Invalid path expression", "undefined variable", s[:end] + "|=|" + s[end:]}
			}
		}
	}
	return quotePath(s)
}

// nameByte reports whether the name of a variable goes on with a byte.
func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// defined remembers whether a variable is there.
func (h *Handle) defined(name string, there bool) {
	if h.undefined == nil {
		h.undefined = map[string]bool{}
	}
	delete(h.undefined, name)
	if !there {
		h.undefined[name] = true
	}
}

// Undefvar removes a variable. augtool cannot, but its list of them is a tree too.
func (h *Handle) Undefvar(ctx context.Context, name string) error {
	h.defined(name, false)
	node, err := h.path("/augeas/variables/" + Label(name))
	if err != nil {
		return err
	}
	_, err = h.ask(ctx, "rm", node)
	return err
}

// Defvar gives a name to the nodes that an expression matches now, and returns how many
// these are.
func (h *Handle) Defvar(ctx context.Context, name, expression string) (int, error) {
	words, err := h.quote(text(name), expr(expression))
	if err != nil {
		return 0, err
	}
	if err := h.do(ctx, "defvar", words[0], words[1]); err != nil {
		return 0, err
	}
	h.defined(name, true)
	// The value of an expression need not be a set of nodes: it has none then.
	n, _ := h.count(ctx, words[1])
	return n, nil
}

// Defnode is Defvar for one node, which it makes, with a value, if there is none.
func (h *Handle) Defnode(ctx context.Context, name, expression, value string) (n int, created bool, err error) {
	words, err := h.quote(expr(expression), text(name), text(value))
	if err != nil {
		return 0, false, err
	}
	n, err = h.count(ctx, words[0])
	if err != nil {
		return 0, false, err
	}
	if n == 0 {
		n, created = 1, true
	}
	if err = h.do(ctx, "defnode", words[1], words[0], words[2]); err == nil {
		h.defined(name, true)
	}
	return n, created, err
}
