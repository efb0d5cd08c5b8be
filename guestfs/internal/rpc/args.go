package rpc

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// None are the arguments of procedures that take none.
type None struct{}

func (*None) fields() []any { return nil }

// Encoder returns the function that encodes the arguments of a call. Optional arguments
// are encoded whether they are given or not; Given returns which are.
func Encoder(a Args) func(*xdr.Codec) {
	return func(c *xdr.Codec) {
		for _, f := range a.fields() {
			code(c, f)
		}
	}
}

// Given returns which optional arguments are given, as a call's header wants it.
func Given(a Args) (mask uint64) {
	bit := uint64(1)
	for _, f := range a.fields() {
		if o, ok := f.(option); ok {
			if _, set := o.option(); *set {
				mask |= bit
			}
			bit <<= 1
		}
	}
	return mask
}

// ErrArgs is the error of arguments that do not fit the procedure.
var ErrArgs = errors.New("arguments do not fit the procedure")

// Decode decodes the arguments of a call from its message. Bit i of given says whether
// optional argument i is; bits of arguments that do not exist are an error.
func Decode(a Args, message []byte, given uint64) error {
	d := xdr.NewDecoder(message)
	fields := a.fields()
	for _, f := range fields {
		code(d, f)
	}
	if err := d.End(); err != nil {
		return fmt.Errorf("%w: %w", ErrArgs, err)
	}
	bit := uint64(1)
	for _, f := range fields {
		if o, ok := f.(option); ok {
			_, set := o.option()
			*set = given&bit != 0
			given &^= bit
			bit <<= 1
		}
	}
	if given != 0 {
		return fmt.Errorf("%w: unknown optional arguments %#x", ErrArgs, given)
	}
	return nil
}
