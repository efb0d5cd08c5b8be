package qed

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a QED image.
	ErrFormat = errors.New("not a QED image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged QED image")
)

var damage = readonly.Damage{Err: ErrDamaged}
