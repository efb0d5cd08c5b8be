package vdi

import (
	"errors"
	"fmt"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a VDI image.
	ErrFormat = errors.New("not a VDI image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged VDI image")
	// ErrParent is returned for a differencing image whose parent is not there, is not the
	// one that it was made on, or has been written to since.
	ErrParent = errors.New("the parent of the differencing image")
)

// damaged returns an error that wraps ErrDamaged.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
