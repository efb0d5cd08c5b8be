package ova

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrDamaged is returned for an appliance that says what cannot be.
	ErrDamaged = errors.New("damaged OVF package")
	// ErrDisks is returned for an appliance of several disks, of which none was named, or
	// of none.
	ErrDisks = errors.New("not one disk")
)

var damage = readonly.Damage{Err: ErrDamaged}
