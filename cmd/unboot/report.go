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

// transfer moves a tree. With verbose, it prints names. An error of one file is reported,
// and the others are still moved; metadata that was not preserved is summed up at the end.
func (a *app) transfer(src treecopy.Source, dst treecopy.Sink, r *treecopy.Report, p *progress, verbose bool) error {
	// Reported at the end in a few lines: a tree may have the same loss for each file.
	var lost losses
	r.Fail = func(name string, err error) error {
		a.fail(fmt.Errorf("%s: %w", name, reason(err)))
		return nil
	}
	r.Warn = func(name string, err error) { a.warn(fmt.Errorf("%s: %w", name, reason(err))) }
	r.Lost, r.Tell, r.Files = lost.add, a.teller(verbose), &p.files
	if a.progress != nil {
		r.Bytes = &p.bytes // without a progress line, not counting is faster
	}
	err := treecopy.Transfer(a.ctx, src, dst)
	lost.summary(a)
	return reason(err)
}

// excluder returns a function that reports whether one of the patterns matches a path or its
// last element, as for --exclude of tar(1). It is nil without patterns, so that paths need
// not be made just to be matched with none.
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

// losses is metadata that was not preserved, because the file system cannot store it or
// the user lacks the privilege on the host. Several goroutines of a transfer add to it.
type losses struct {
	mu     sync.Mutex
	lost   map[loss]int   // number of files
	owners map[string]int // number of files, by reason
}

// A loss is an attribute that was not kept, and why.
type loss struct{ name, why string }

// maxLosses bounds the memory for an archive that was made to have a new attribute in each
// member. Further ones are counted together, by reason.
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

// summary reports what was not preserved. Lost attributes are a
// warning and lost owners a failure. Everything is sorted, so that the same copy prints the
// same text.
func (s *losses) summary(a *app) {
	byReason := map[string][]string{}
	for l, n := range s.lost {
		byReason[l.why] = append(byReason[l.why], fmt.Sprintf("%s of %d files", quote(l.name), n))
	}
	for _, why := range slices.Sorted(maps.Keys(byReason)) {
		names := byReason[why]
		slices.Sort(names)
		// A message is to be read: the first few show the kind.
		if len(names) > 5 {
			names = append(names[:5], "…")
		}
		a.warn(fmt.Errorf("extended attributes not preserved: %s: %s", strings.Join(names, ", "), why))
	}
	for _, why := range slices.Sorted(maps.Keys(s.owners)) {
		a.fail(fmt.Errorf("owners not preserved on %d files: %s", s.owners[why], why))
	}
}
