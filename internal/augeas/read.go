package augeas

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Get returns the value of the one node that a path expression matches. The error is
// [ErrNoNode] or [ErrNoValue] if there is none.
func (h *Handle) Get(ctx context.Context, path string) (string, error) {
	return h.value(ctx, "get", path)
}

// Label returns the label of the one node that a path expression matches. The error is
// [ErrNoNode] if there is none.
func (h *Handle) Label(ctx context.Context, path string) (string, error) {
	return h.value(ctx, "label", path)
}

// Match returns the paths of the nodes that a path expression matches.
func (h *Handle) Match(ctx context.Context, path string) ([]string, error) {
	word, err := h.path(path)
	if err != nil {
		return nil, err
	}
	n, err := h.count(ctx, word)
	if err != nil || n == 0 {
		return nil, err
	}
	answer, err := h.ask(ctx, "match", word)
	if err != nil {
		return nil, err
	}
	paths, ok := parseMatch(answer, n)
	if ok {
		return paths, nil
	}
	// One by one: what follows the first path can be nothing but its value.
	paths = make([]string, n)
	for i := range paths {
		word, err := h.path(fmt.Sprintf("(%s)[%d]", path, i+1))
		if err != nil {
			return nil, err
		}
		answer, err := h.ask(ctx, "match", word)
		if err != nil {
			return nil, err
		}
		if paths[i], ok = parseNode(answer); !ok {
			return nil, badAnswer(answer)
		}
	}
	return paths, nil
}

// ErrPattern is the error of a path whose end Ls cannot add to.
var ErrPattern = errors.New("the path ends with / ] *")

// Children returns the path expression that matches the nodes below those of another. The
// error is [ErrPattern].
func Children(path string) (string, error) {
	if len(path) > 1 && strings.ContainsRune("/]*", rune(path[len(path)-1])) {
		return "", ErrPattern
	}
	return strings.TrimSuffix(path, "/") + "/*", nil
}

// Ls returns the paths of the nodes below one, sorted. The error is [ErrPattern] for a path
// that [Children] does not take.
func (h *Handle) Ls(ctx context.Context, path string) ([]string, error) {
	below, err := Children(path)
	if err != nil {
		return nil, err
	}
	paths, err := h.Match(ctx, below)
	slices.Sort(paths)
	return paths, err
}
