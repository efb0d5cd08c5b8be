package parallels

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not an image of Parallels.
	ErrFormat = errors.New("not an image of Parallels")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged image of Parallels")
)

var damage = readonly.Damage{Err: ErrDamaged}
