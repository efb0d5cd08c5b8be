package cloop

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a cloop image.
	ErrFormat = errors.New("not a cloop image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged cloop image")
)

var damage = readonly.Damage{Err: ErrDamaged}
