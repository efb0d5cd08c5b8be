package qcow2

import (
	"errors"
	"fmt"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a qcow2 image.
	ErrFormat = errors.New("not a qcow2 image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged qcow2 image")
	// ErrEncrypted is returned for an image whose data is encrypted by QEMU. (LUKS
	// inside the disk is another matter, and no concern of this package.)
	ErrEncrypted = errors.New("the image is encrypted")
	// ErrFeature is returned for an image that needs a feature that this package
	// does not know.
	ErrFeature = errors.New("the image needs a feature that is not known here")
	// ErrNotAllowed is returned for an image that consists of more files, which
	// the caller has not allowed to open. See [NotAllowedError].
	ErrNotAllowed = errors.New("not allowed")
	// ErrDepth is returned for a chain of more than [MaxDepth] backing files, or
	// one that runs in a circle.
	ErrDepth = fmt.Errorf("a chain of more than %d backing files", MaxDepth)
)

// A NotAllowedError is returned by [Open] for an image that names another file which
// the caller has not allowed to open. It satisfies errors.Is(err, [ErrNotAllowed]).
type NotAllowedError struct {
	Reference Reference
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("the image needs the %s %q, which was not allowed to be opened",
		e.Reference.Role, e.Reference.Name)
}

func (e *NotAllowedError) Unwrap() error { return ErrNotAllowed }

// damaged returns an error that wraps ErrDamaged.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
