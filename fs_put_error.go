package unboot

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A CallError says which system call failed for a file that was there already:
// one that [FS.Put] or [FS.PutFiles] had just made, or the one of
// [FS.SetMetadata]. It stands in the Err of their *fs.PathError. Where Put could
// not make the file at all, there is none; nor where the content is streamed, if it
// is the reader or a write that fails.
//
// It distinguishes a full disk from an attribute for which there is no room: both are
// unix.ENOSPC.
type CallError struct {
	// Call is "write", "chown", "chmod", "setxattr" or "utimens". A file
	// whose write has failed lacks some of its content; the others have all of it.
	Call string
	// Attr is the extended attribute of a setxattr.
	Attr string
	Err  error // a unix.Errno
}

func (e *CallError) Error() string {
	what := ""
	switch e.Call {
	case "chown":
		what = "set the owner: "
	case "chmod":
		what = "set the mode: "
	case "utimens":
		what = "set the times: "
	case "setxattr":
		what = fmt.Sprintf("set attribute %q: ", e.Attr)
	}
	return what + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *CallError) Unwrap() error { return e.Err }

// blame names the call that made a chain fail, if it is one of those that
// Metadata.set or setPath has added; first is the first of them.
func (m *Metadata) blame(c *lkl.Chain, first lkl.Link, err error) error {
	if err == nil {
		return nil
	}
	var calls []CallError
	if m.UID >= 0 || m.GID >= 0 {
		calls = append(calls, CallError{Call: "chown"})
	}
	if m.Mode.Type() != fs.ModeSymlink {
		calls = append(calls, CallError{Call: "chmod"})
	}
	for _, attr := range slices.Sorted(maps.Keys(m.Xattrs)) {
		calls = append(calls, CallError{Call: "setxattr", Attr: attr})
	}
	if m.hasTimes() {
		calls = append(calls, CallError{Call: "utimens"})
	}
	for i := range calls {
		_, cerr := c.Result(first + lkl.Link(i))
		switch cerr {
		case nil, unix.ECANCELED:
		case unix.ENOENT, unix.ENOTDIR, unix.ELOOP: // not to be found
			return err
		default:
			calls[i].Err = cerr
			return &calls[i]
		}
	}
	return err
}
