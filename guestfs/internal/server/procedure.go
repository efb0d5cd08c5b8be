package server

import (
	"context"
	"io"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// A procedure answers a call: it decodes and checks the arguments, calls the method of
// Server, and hands over the result.
//
// The functions below make procedures of methods. Which one depends on what the method
// takes and returns: do for nothing but success, in and out for the contents of a file,
// get for a value, record for a structure. Those with a 0 are for methods without
// arguments. The table that is generated names the types of the arguments and the
// encoding of the result, so the compiler refuses a method with another signature.
type procedure func(context.Context, *call) error

// args is a pointer to the arguments of a procedure.
type args[A any] interface {
	*A
	rpc.Args
}

func do[A any, P args[A]](method func(*Server, context.Context, P) error) procedure {
	return func(ctx context.Context, c *call) error {
		a := P(new(A))
		if err := c.decode(a); err != nil {
			return err
		}
		return method(c.s, ctx, a)
	}
}

func in[A any, P args[A]](method func(*Server, context.Context, P, io.Reader) error) procedure {
	return func(ctx context.Context, c *call) error {
		a := P(new(A))
		if err := c.decode(a); err != nil {
			return err
		}
		return method(c.s, ctx, a, c.In())
	}
}

func out[A any, P args[A]](method func(*Server, context.Context, P, io.Writer) error) procedure {
	return func(ctx context.Context, c *call) error {
		a := P(new(A))
		if err := c.decode(a); err != nil {
			return err
		}
		return method(c.s, ctx, a, c.Out())
	}
}

func get[A, R any, P args[A]](method func(*Server, context.Context, P) (R, error), encode func(*xdr.Codec, *R)) procedure {
	return func(ctx context.Context, c *call) error {
		a := P(new(A))
		if err := c.decode(a); err != nil {
			return err
		}
		r, err := method(c.s, ctx, a)
		c.Return(func(x *xdr.Codec) { encode(x, &r) })
		return err
	}
}

func record[A, S any, P args[A], R coder[S]](method func(*Server, context.Context, P) (R, error)) procedure {
	return get[A](func(s *Server, ctx context.Context, a P) (R, error) {
		r, err := method(s, ctx, a)
		if err == nil && r == nil {
			err = errNoResult
		}
		return r, err
	}, func(x *xdr.Codec, r *R) { (*r).Code(x) })
}

func do0(method func(*Server, context.Context) error) procedure {
	return do[rpc.None](func(s *Server, ctx context.Context, _ *rpc.None) error { return method(s, ctx) })
}

func in0(method func(*Server, context.Context, io.Reader) error) procedure {
	return in[rpc.None](func(s *Server, ctx context.Context, _ *rpc.None, r io.Reader) error { return method(s, ctx, r) })
}

func out0(method func(*Server, context.Context, io.Writer) error) procedure {
	return out[rpc.None](func(s *Server, ctx context.Context, _ *rpc.None, w io.Writer) error { return method(s, ctx, w) })
}

func get0[R any](method func(*Server, context.Context) (R, error), encode func(*xdr.Codec, *R)) procedure {
	return get[rpc.None](func(s *Server, ctx context.Context, _ *rpc.None) (R, error) { return method(s, ctx) }, encode)
}

func record0[S any, R coder[S]](method func(*Server, context.Context) (R, error)) procedure {
	return record[rpc.None, S](func(s *Server, ctx context.Context, _ *rpc.None) (R, error) { return method(s, ctx) })
}

// coder is a pointer to a structure that a message can hold.
type coder[S any] interface {
	*S
	xdr.Coder
}

// records encodes a list of structures.
func records[S any, P coder[S]](x *xdr.Codec, v *[]S) {
	xdr.List[S, P](x, v, 1) // the size matters to those who decode
}

// answers reports whether the server has a method for a procedure.
func (s *Server) answers(proc uint32) bool {
	return proc < uint32(len(s.procedures)) && s.procedures[proc] != nil
}
