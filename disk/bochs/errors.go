package bochs

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a growing image of Bochs.
	ErrFormat = errors.New("not a growing image of Bochs")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged image of Bochs")
)

var damage = readonly.Damage{Err: ErrDamaged}
