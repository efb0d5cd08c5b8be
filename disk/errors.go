package disk

import (
	"errors"
	"fmt"
)

// The errors of opening a disk, wrapped in an *fs.PathError.
var (
	// ErrInUse is returned for a disk that another program writes to.
	ErrInUse = errors.New("in use by another program for writing (a running virtual machine?)")
	// ErrEmpty is returned for an image file of size zero.
	ErrEmpty = errors.New("the file is empty")
	// ErrTooSmall is returned for an image file of less than [MinSize] bytes.
	ErrTooSmall = errors.New("the file is smaller than a sector")
	// ErrNotDisk is returned for what is neither a regular file nor a block
	// device, such as a terminal or a FIFO.
	ErrNotDisk = errors.New("not a disk image or block device")
)

// OnlyRead is the hint for an image that is to be written to, and can only be read.
const OnlyRead = "it can only be read here; to write to it, try: unboot convert IMAGE NEW.qcow2"

// A FormatError is returned for an image in a format that this package does not
// read.
type FormatError struct {
	Format string // "qcow2", "vmdk", "gzip", …
	Hint   string // what the user may do
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("the image is in %s format, not raw", e.Format)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}
