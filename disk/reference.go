package disk

import (
	"errors"
	"fmt"
)

// The roles of files that images name.
const (
	// BackingFile holds what an image does not, as the parent of a differencing
	// disk does.
	BackingFile = "backing file"
	// DataFile holds the data of an image, or a part of it, as an extent does.
	DataFile = "data file"
)

// A Reference is another file that an image names. It is as trustworthy as the image:
// the name was chosen by whoever made that, and /etc/shadow is one too.
//
// A format's package fills in Role, Name, Format and Writable, from what the image says.
// The rest is added by whoever opens files, which is package source.
type Reference struct {
	Role   string // BackingFile or DataFile
	Image  string // host path of the image that names it
	Name   string // as it is in the image, or "" for a file without a name
	Path   string // host path for it, or "" if it is not a file of this host
	Format string // "raw", "qcow2", …; "" if the image does not say
	Depth  int    // 1 for those of the image that was opened, 2 for those of these, …

	// Writable says that it is a part of an image that is open for writing, and is to
	// be written to as well. A BackingFile never is.
	Writable bool
}

// ErrNotAllowed is returned for an image that consists of more files, which the caller
// has not allowed to open. See [NotAllowedError].
var ErrNotAllowed = errors.New("not allowed")

// A NotAllowedError is returned for an image that names another file which the caller
// has not allowed to open. It satisfies errors.Is(err, [ErrNotAllowed]).
type NotAllowedError struct {
	Reference Reference
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("the image needs the %s %q, which was not allowed to be opened",
		e.Reference.Role, e.Reference.Name)
}

func (e *NotAllowedError) Unwrap() error { return ErrNotAllowed }
