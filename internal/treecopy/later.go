package treecopy

import (
	"slices"
	"strings"
)

// later is what is set on directories when all is in them, since making files in a
// directory changes its times. A tree may have a directory twice, or, in an archive that
// was made to do harm, without end: the last one counts, and the others are forgotten.
type later[T any] struct {
	list []laterDir[T]
	most int // how long the list may become before it is gone through
}

type laterDir[T any] struct {
	path string
	meta T
}

// add notes a directory.
func (l *later[T]) add(path string, meta T) {
	if len(l.list) >= max(l.most, 1024) {
		l.compact()
		l.most = 2 * len(l.list)
	}
	l.list = append(l.list, laterDir[T]{path, meta})
}

// drop forgets the directories of which which is true.
func (l *later[T]) drop(which func(path string) bool) {
	l.list = slices.DeleteFunc(l.list, func(d laterDir[T]) bool { return which(d.path) })
}

// compact sorts the list so that a directory comes after those in it, and keeps the last
// of each.
func (l *later[T]) compact() {
	slices.Reverse(l.list)
	slices.SortStableFunc(l.list, func(a, b laterDir[T]) int { return strings.Compare(b.path, a.path) })
	l.list = slices.CompactFunc(l.list, func(a, b laterDir[T]) bool { return a.path == b.path })
}

// take returns all of them, the deepest first, and forgets them.
func (l *later[T]) take() []laterDir[T] {
	l.compact()
	list := l.list
	l.list = nil
	return list
}
