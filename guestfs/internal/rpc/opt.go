package rpc

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Opt is an optional argument.
type Opt[T any] struct {
	Value T // means nothing if it is not given
	Set   bool
}

// Some returns an optional argument that is given.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Or returns the argument, or def if it is not given.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.Value
	}
	return def
}

// Args are the arguments of a procedure.
type Args interface {
	xdr.Coder

	// given returns where it says which optional arguments are given, in their order.
	given() []*bool
}

// ErrArgs is the error of arguments that do not fit the procedure.
var ErrArgs = errors.New("arguments do not fit the procedure")

// Decode decodes the arguments of a call from its message. Bit i of given says whether
// optional argument i is; bits of arguments that do not exist are an error.
func Decode(a Args, message []byte, given uint64) error {
	d := xdr.NewDecoder(message)
	a.Code(d)
	if err := d.End(); err != nil {
		return fmt.Errorf("%w: %w", ErrArgs, err)
	}
	for i, set := range a.given() {
		*set = given>>i&1 != 0
		given &^= 1 << i
	}
	if given != 0 {
		return fmt.Errorf("%w: unknown optional arguments %#x", ErrArgs, given)
	}
	return nil
}

// Given returns which optional arguments are given, as a call's header wants it.
func Given(a Args) (mask uint64) {
	for i, set := range a.given() {
		if *set {
			mask |= 1 << i
		}
	}
	return mask
}

// None are the arguments of procedures that take none.
type None struct{}

// Code implements xdr.Coder.
func (*None) Code(*xdr.Codec) {}
func (*None) given() []*bool  { return nil }

// Pair is an entry of a hashtable. The order of the entries is kept: programs print
// them as they come.
type Pair struct{ Key, Value string }

// Code implements xdr.Coder.
func (p *Pair) Code(c *xdr.Codec) {
	c.String(&p.Key)
	c.String(&p.Value)
}

// CodePairs codes a hashtable, which is a list of keys and values in turn.
func CodePairs(c *xdr.Codec, v *[]Pair) {
	n := c.Count(2*len(*v), 4)
	if n%2 != 0 {
		c.Fail(fmt.Errorf("%w: hashtable of %d strings", xdr.ErrValue, n))
		return
	}
	if c.Decoding() {
		*v = make([]Pair, n/2)
	}
	for i := 0; i < n/2 && c.Err() == nil; i++ {
		(*v)[i].Code(c)
	}
}
