package qcow1

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a qcow image of version 1.
	ErrFormat = errors.New("not a qcow image of version 1")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged qcow image of version 1")
)

var damage = readonly.Damage{Err: ErrDamaged}
