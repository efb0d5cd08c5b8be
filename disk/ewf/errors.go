package ewf

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not an EWF image.
	ErrFormat = errors.New("not an EWF image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged EWF image")
	// ErrSegment is returned for a segment that is not one of the image.
	ErrSegment = errors.New("the segment is not one of the image")
)

var damage = readonly.Damage{Err: ErrDamaged}
