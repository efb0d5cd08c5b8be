package rpc

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

// option is a pointer to an Opt of any type.
type option interface {
	// option returns pointers to the argument and to whether it is given.
	option() (value any, set *bool)
}

func (o *Opt[T]) option() (value any, set *bool) { return &o.Value, &o.Set }
