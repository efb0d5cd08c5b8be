package qcow2

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a qcow2 image.
	ErrFormat = errors.New("not a qcow2 image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged qcow2 image")
	// ErrEncrypted is [disk.ErrEncrypted].
	ErrEncrypted = disk.ErrEncrypted
	// ErrFeature is returned for an image that needs a feature that this package
	// does not know.
	ErrFeature = errors.New("the image needs a feature that is not known here")
)

// damaged returns an error that wraps ErrDamaged.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
