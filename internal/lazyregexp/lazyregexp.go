// Package lazyregexp has regular expressions that are compiled when they are first used:
// a program that starts in milliseconds does not compile those that it will not need.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that compiles an expression the first time it is called. It
// panics then if the expression is not valid, so each needs a test that uses it.
func New(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
