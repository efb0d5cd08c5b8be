package vmdk

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a VMDK image.
	ErrFormat = errors.New("not a VMDK image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged VMDK image")
	// ErrParent is returned for an image whose parent is not the one that it was made on,
	// or has been written to since.
	ErrParent = errors.New("the parent is not the one that the image was made on, or has changed since")
	// ErrExtent is returned for a file that is a part of an image: the image is opened by
	// the file with the descriptor.
	ErrExtent = errors.New("it is an extent of a VMDK image; open the small .vmdk file that names it")
)

// damaged returns an error that wraps ErrDamaged.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// readOnly returns an error for what cannot be written to.
func readOnly(what string) error {
	return &disk.FormatError{Format: "vmdk", Hint: what + "; " + disk.OnlyRead}
}
