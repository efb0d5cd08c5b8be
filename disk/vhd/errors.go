package vhd

import (
	"errors"
	"fmt"
	"io"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a VHD image.
	ErrFormat = errors.New("not a VHD image")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged VHD image")
	// ErrParent is returned for a differencing image whose parent is not the one that it
	// was made for.
	ErrParent = errors.New("the parent is not the one of the VHD image")
)

// damaged returns an error that wraps ErrDamaged.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// readFull reads all of p. That it is not there is damage.
func readFull(r io.ReaderAt, p []byte, off int64, what string) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return damaged("the %s at %d lies past the end of the file (was it truncated?)", what, off)
	}
	return fmt.Errorf("read the %s: %w", what, err)
}
