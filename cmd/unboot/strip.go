package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// A stripper takes away metadata that a file system, or the lack of privilege
// on the host, cannot keep. What nobody expects to be kept, such as owners on
// vfat, goes without a word; other things are told once, at the end.
type stripper struct {
	a      *app
	owners atomic.Bool // take owners away
	xattrs atomic.Bool // take attributes away

	mu   sync.Mutex
	lost map[string]int // names of attributes, with how many files had them
	why  error
}

// probe learns from the type of a file system, as statfs(2) has it.
func (s *stripper) probe(typ int64) {
	switch typ {
	case 0x4d44, 0x2011bab0, 0x4244, 0x482b: // vfat, exfat, hfs, hfsplus
		if typ != 0x482b {
			s.owners.Store(true)
		}
		s.xattrs.Store(true)
	}
}

// apply takes away what is known to be of no use.
func (s *stripper) apply(m *unboot.Metadata) {
	if s.owners.Load() {
		m.UID, m.GID = -1, -1
	}
	if s.xattrs.Load() && m.Xattrs != nil {
		m.Xattrs = nil
	}
}

// learn looks at an error and says whether to try again, with less.
func (s *stripper) learn(m *unboot.Metadata, err error) bool {
	if err == nil || len(m.Xattrs) == 0 {
		return false
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) &&
		!errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.E2BIG) && !errors.Is(err, unix.ERANGE) {
		return false
	}
	for name := range m.Xattrs {
		s.lose(name, err)
	}
	m.Xattrs = nil
	return true
}

// lose notes that an attribute was not kept.
func (s *stripper) lose(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = map[string]int{}
	}
	s.lost[name]++
	s.why = reason(err)
}

// summary tells what was not kept.
func (s *stripper) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lost) == 0 {
		return
	}
	var names []string
	for n, c := range s.lost {
		names = append(names, fmt.Sprintf("%s of %d files", quote(n), c))
		if len(names) == 5 {
			names = append(names, "…")
			break
		}
	}
	s.a.warn(fmt.Errorf("extended attributes were not kept: %s: %w", strings.Join(names, ", "), s.why))
	s.lost = nil
}
