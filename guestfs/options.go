package guestfs

import "github.com/unboot/unboot/guestfs/internal/rpc"

// orNone returns the optional arguments of a method, of which none is set if a program
// passes nil.
func orNone[O any](optargs *O) *O {
	if optargs == nil {
		return new(O)
	}
	return optargs
}

// opt returns an optional argument of a procedure.
func opt[T any](v T, set bool) rpc.Opt[T] { return rpc.Opt[T]{Value: v, Set: set} }
