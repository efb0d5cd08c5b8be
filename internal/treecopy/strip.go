package treecopy

import (
	"errors"
	"maps"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/desttree"
)

// An ImageSink takes away metadata that a file system cannot keep. Metadata that nobody expects to
// be kept, such as owners on vfat, goes without a word; other things are reported as lost.

// strip takes away what is known to be of no use.
func (s *ImageSink) strip(member, p string, m *unboot.Metadata, k *desttree.Kind) {
	if k.NoOwners {
		m.UID, m.GID = -1, -1
	}
	if k.NoXattrs {
		m.Xattrs = nil
	}
	for name, value := range m.Xattrs {
		// The kernel does not look at these.
		var err unix.Errno
		switch {
		case len(name) > unix.NAME_MAX:
			err = unix.ERANGE
		case strings.IndexByte(name, 0) >= 0:
			err = unix.EINVAL
		case len(value) > 64<<10: // XATTR_SIZE_MAX
			err = unix.E2BIG
		default:
			continue
		}
		s.Report.lost(s.named(member, p), name, err)
		m.Xattrs = without(m.Xattrs, name)
	}
}

// without returns a copy that lacks a name.
func without(attrs map[string][]byte, name string) map[string][]byte {
	rest := maps.Clone(attrs)
	delete(rest, name)
	return rest
}

// learn looks at an error of a put, and reports whether to try again with less. Only
// the call that sets an attribute, or the owner, can say that it is refused: the
// error of a write, that the disk is full, is none of it.
func (s *ImageSink) learn(member, p string, m *unboot.Metadata, err error) bool {
	var call *unboot.CallError
	if !errors.As(err, &call) || !refusal(call.Err) {
		return false
	}
	_, has := m.Xattrs[call.Attr]
	switch {
	case call.Call == "setxattr" && has:
		m.Xattrs = without(m.Xattrs, call.Attr)
	case call.Call == "chown" && (m.UID >= 0 || m.GID >= 0):
		m.UID, m.GID = -1, -1
	default:
		return false
	}
	s.Report.lost(s.named(member, p), call.Attr, call.Err)
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
