package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/desttree"
)

// A stripper takes away metadata that a file system, or the lack of privilege
// on the host, cannot keep. What nobody expects to be kept, such as owners on
// vfat, goes without a word; other things are told once, at the end.
type stripper struct {
	a *app

	mu     sync.Mutex
	lost   map[loss]int // with how many files had them
	owners map[string]int
}

// A loss is an attribute that was not kept, and why.
type loss struct{ name, why string }

// maxLosses bounds what is remembered of an archive that was made to have many.
const maxLosses = 1000

// apply takes away what is known to be of no use.
func (s *stripper) apply(m *unboot.Metadata, k *desttree.Kind) {
	if k.NoOwners {
		m.UID, m.GID = -1, -1
	}
	if k.NoXattrs {
		m.Xattrs = nil
	}
	for name, value := range m.Xattrs {
		// The kernel does not look at these.
		switch {
		case len(name) > unix.NAME_MAX:
			s.lose(name, unix.ERANGE)
		case strings.IndexByte(name, 0) >= 0:
			s.lose(name, unix.EINVAL)
		case len(value) > 64<<10: // XATTR_SIZE_MAX
			s.lose(name, unix.E2BIG)
		default:
			continue
		}
		m.Xattrs = without(m.Xattrs, name)
	}
}

// without returns a copy that lacks a name.
func without(attrs map[string][]byte, name string) map[string][]byte {
	rest := maps.Clone(attrs)
	delete(rest, name)
	return rest
}

// learn looks at an error of a put, and says whether to try again with less. Only
// the call that sets an attribute, or the owner, can say that it is refused: the
// error of a write, that the disk is full, is none of it.
func (s *stripper) learn(m *unboot.Metadata, err error) bool {
	var call *unboot.CallError
	if !errors.As(err, &call) {
		return false
	}
	_, has := m.Xattrs[call.Attr]
	switch {
	case call.Call == "setxattr" && has && s.refused(call.Attr, call.Err):
		m.Xattrs = without(m.Xattrs, call.Attr)
		return true
	case call.Call == "chown" && (m.UID >= 0 || m.GID >= 0) && refusal(call.Err):
		m.UID, m.GID = -1, -1
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.owners == nil {
			s.owners = map[string]int{}
		}
		s.owners[call.Err.Error()]++
		return true
	}
	return false
}

// refused notes an attribute that was refused, if that is what an error says.
func (s *stripper) refused(name string, err error) bool {
	if !refusal(err) {
		return false
	}
	s.lose(name, err)
	return true
}

// refusal reports whether an error is about what is to be set, and not about the
// file system as a whole.
func refusal(err error) bool {
	for _, errno := range []unix.Errno{
		unix.EOPNOTSUPP, unix.EPERM, unix.EACCES, unix.EINVAL, unix.EOVERFLOW,
		unix.ENOSPC, unix.EDQUOT, unix.E2BIG, unix.ERANGE, unix.ENAMETOOLONG,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// lose notes that an attribute was not kept.
func (s *stripper) lose(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = map[loss]int{}
	}
	l := loss{name, reason(err).Error()}
	if s.lost[l] == 0 && len(s.lost) >= maxLosses {
		l.name = "others"
	}
	s.lost[l]++
}

// summary tells what was not kept.
func (s *stripper) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
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
		s.a.warn(fmt.Errorf("extended attributes were not kept: %s: %s", strings.Join(names, ", "), why))
	}
	for _, why := range slices.Sorted(maps.Keys(s.owners)) {
		s.a.fail(fmt.Errorf("owners were not kept: of %d files: %s", s.owners[why], why))
	}
	s.lost, s.owners = nil, nil
}
