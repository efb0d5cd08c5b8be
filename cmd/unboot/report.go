package main

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/unboot/unboot/internal/treecopy"
)

// transfer moves a tree. With verbose, it prints names; what was not kept of the files is
// said at the end.
func (a *app) transfer(src treecopy.Source, dst treecopy.Sink, r *treecopy.Report, p *progress, verbose bool) error {
	var lost losses
	r.Fail = func(name string, err error) error {
		a.fail(fmt.Errorf("%s: %w", name, reason(err)))
		return nil
	}
	r.Warn = func(name string, err error) { a.warn(fmt.Errorf("%s: %w", name, reason(err))) }
	r.Lost, r.Tell, r.Files = lost.add, a.teller(verbose), &p.files
	if a.progress != nil {
		r.Bytes = &p.bytes // nobody else wants to know, and not to count is faster
	}
	err := treecopy.Transfer(a.ctx, src, dst)
	lost.summary(a)
	return reason(err)
}

// excluder returns what reports whether one of the patterns matches a path or its last
// element, or nil if there are none.
func excluder(globs []glob) func(rel string) bool {
	if len(globs) == 0 {
		return nil
	}
	return func(rel string) bool {
		for i := range globs {
			if globs[i].match(rel) || globs[i].match(path.Base(rel)) {
				return true
			}
		}
		return false
	}
}

// losses is metadata that a file system, or the lack of privilege on the host, did not
// keep.
type losses struct {
	mu     sync.Mutex
	lost   map[loss]int // with how many files had them
	owners map[string]int
}

// A loss is an attribute that was not kept, and why.
type loss struct{ name, why string }

// maxLosses bounds what is remembered of an archive that was made to have many.
const maxLosses = 1000

// add notes that an attribute, or the owner, was not kept.
func (s *losses) add(_, attr string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	why := reason(err).Error()
	if attr == "" {
		if s.owners == nil {
			s.owners = map[string]int{}
		}
		s.owners[why]++
		return
	}
	if s.lost == nil {
		s.lost = map[loss]int{}
	}
	l := loss{attr, why}
	if s.lost[l] == 0 && len(s.lost) >= maxLosses {
		l.name = "others"
	}
	s.lost[l]++
}

// summary reports what was not kept.
func (s *losses) summary(a *app) {
	byReason := map[string][]string{}
	for l, n := range s.lost {
		byReason[l.why] = append(byReason[l.why], fmt.Sprintf("%s of %d files", quote(l.name), n))
	}
	for _, why := range slices.Sorted(maps.Keys(byReason)) {
		names := byReason[why]
		slices.Sort(names)
		if len(names) > 5 {
			names = append(names[:5], "…")
		}
		a.warn(fmt.Errorf("extended attributes not preserved: %s: %s", strings.Join(names, ", "), why))
	}
	for _, why := range slices.Sorted(maps.Keys(s.owners)) {
		a.fail(fmt.Errorf("owners not preserved on %d files: %s", s.owners[why], why))
	}
}
