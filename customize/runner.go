package customize

import (
	"context"
	"errors"
	"io"
)

// A Runner runs programs of a guest, with the guest's tree as their root.
type Runner interface {
	// Run runs a program as root of the guest, in its root directory, and waits for its
	// end. An exit status other than 0 is an error.
	Run(ctx context.Context, p *Program) error
}

// A Program is what a [Runner] runs.
type Program struct {
	Path string // absolute, in the guest
	Args []string
	// Env is added to the environment that every program gets.
	Env    []string
	Stdin  io.Reader // nil: nothing
	Stdout io.Writer
	Stderr io.Writer
	// Network says that it needs one, as to install packages. Others may use it, too.
	Network bool
}

// ErrNoRunner is the error of what takes a program of the guest, if there is no [Runner].
var ErrNoRunner = errors.New("programs of the guest cannot be run (use one of the --firstboot options)")
