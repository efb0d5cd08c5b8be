package readonly

import (
	"errors"
	"fmt"
	"io"

	"github.com/unboot/unboot/disk/internal/below"
)

// Damage makes the errors of a format about images that say what cannot be, which wrap Err.
type Damage struct{ Err error }

// Errorf returns an error that says what is wrong.
func (d Damage) Errorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", d.Err, fmt.Sprintf(format, args...))
}

// ReadFull reads all of p. That a file ends before is damage; what names what is read.
func (d Damage) ReadFull(r io.ReaderAt, p []byte, off int64, what string) error {
	switch err := below.ReadData(r, p, off); {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return d.Errorf("the %s of %d bytes at %d ends past the end of the file (was it truncated?)", what, len(p), off)
	default:
		return fmt.Errorf("read the %s: %w", what, err)
	}
}

// Ended returns the error of reading an entry of a table that begins at at: that the file
// has ended is damage.
func Ended(d Damage, err error, what string, at int64) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return d.Errorf("the %s at %d ends past the end of the file (was it truncated?)", what, at)
	}
	return fmt.Errorf("read the %s: %w", what, err)
}
