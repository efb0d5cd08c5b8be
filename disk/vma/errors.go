package vma

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a VMA archive.
	ErrFormat = errors.New("not a VMA archive")
	// ErrDamaged is returned for an archive that says what cannot be.
	ErrDamaged = errors.New("damaged VMA archive")
	// ErrDisks is returned for an archive of several disks, of which none was named, or of
	// none.
	ErrDisks = errors.New("not one disk")
)

var damage = readonly.Damage{Err: ErrDamaged}
