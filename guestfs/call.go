package guestfs

import (
	"context"
	"io"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// do does what the method of a procedure does that returns nothing but success. params
// are the parameters of the method, for the trace.
func (g *Guestfs) do(proc uint32, a rpc.Args, params ...any) error {
	return g.local(rpc.Lookup(proc).Name, params, nil, func() error { return g.call(proc, a) })
}

// transfer does what the method of a procedure does that sends or receives a file of the
// host.
func (g *Guestfs) transfer(proc uint32, a rpc.Args, file string, params ...any) error {
	p := rpc.Lookup(proc)
	return g.local(p.Name, params, nil, func() error {
		r := request{proc: proc, args: a}
		if p.Transfer == protocol.FileOut {
			f := &outFile{name: file}
			r.out = f
			err := g.request(&r)
			return f.close(err)
		}
		f, err := openIn(file)
		if err != nil {
			return err
		}
		defer f.Close()
		r.in, r.hint = f, f.size()
		return g.request(&r)
	})
}

// result does what the method of a procedure does that returns a value.
func result[R any](g *Guestfs, proc uint32, a rpc.Args, decode func(*xdr.Codec, *R), params ...any) (R, error) {
	return value(g, rpc.Lookup(proc).Name, params, func() (R, error) { return query(g, proc, a, decode) })
}

// record does what the method of a procedure does that returns a structure.
func record[S any](g *Guestfs, proc uint32, a rpc.Args, decode func(*xdr.Codec, *S), params ...any) (*S, error) {
	return structure(g, rpc.Lookup(proc).Name, params, func() (*S, error) {
		s, err := query(g, proc, a, decode)
		return &s, err
	})
}

// value does what a method does that returns a value: the zero value with an error.
func value[R any](g *Guestfs, name string, params []any, f func() (R, error)) (R, error) {
	var r R
	err := g.local(name, params, &r, func() (err error) {
		r, err = f()
		return err
	})
	if err != nil {
		var none R
		return none, err
	}
	return r, nil
}

// structure does what a method does that returns a structure. As in the official binding
// it is never nil, so that a program that ignores the error sees an empty one.
func structure[S any](g *Guestfs, name string, params []any, f func() (*S, error)) (*S, error) {
	s, err := value(g, name, params, f)
	if err != nil {
		return new(S), err
	}
	return s, nil
}

// local does what a method does, with trace and error.
func (g *Guestfs) local(name string, params []any, ret any, f func() error) error {
	if g.isClosed() {
		return toError(name, errClosed)
	}
	traced := get(g, &g.settings.trace)
	if traced {
		g.traceCall(name, params)
	}
	g.emit(EVENT_ENTER, name, nil)
	err := toError(name, f())
	if traced {
		g.traceReturn(name, ret, err)
	}
	if err != nil {
		g.mu.Lock()
		g.last = err.(*GuestfsError)
		g.mu.Unlock()
	}
	return err
}

// request is a call of a procedure.
type request struct {
	proc   uint32
	args   rpc.Args // nil if there are none
	result func(*xdr.Codec)
	in     io.Reader
	hint   uint64
	out    io.Writer
}

// request makes a call of a procedure.
func (g *Guestfs) request(r *request) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	g.mu.Lock()
	s := g.session
	if s == nil || g.state != ready {
		g.mu.Unlock()
		return errorf(0, "%s: call launch before using this function", rpc.Lookup(r.proc).Name)
	}
	if r.in != nil || r.out != nil {
		g.transfers[r] = cancel
	}
	g.mu.Unlock()
	p := &protocol.Request{Proc: r.proc, Result: r.result, In: r.in, Hint: r.hint, Out: r.out}
	if r.args != nil {
		p.Args, p.OptArgs = rpc.Encoder(r.args), rpc.Given(r.args)
	}
	err := s.Call(ctx, p)
	g.mu.Lock()
	delete(g.transfers, r)
	g.mu.Unlock()
	if err != nil {
		return callError(ctx, rpc.Lookup(r.proc).Name, err)
	}
	return nil
}

// call makes a call of a procedure that transfers no file and returns nothing.
func (g *Guestfs) call(proc uint32, a rpc.Args) error {
	return g.request(&request{proc: proc, args: a})
}

// query makes a call of a procedure that transfers no file, and returns its result.
func query[R any](g *Guestfs, proc uint32, a rpc.Args, decode func(*xdr.Codec, *R)) (r R, err error) {
	err = g.request(&request{proc: proc, args: a, result: func(c *xdr.Codec) { decode(c, &r) }})
	return r, err
}

func (g *Guestfs) userCancel() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, cancel := range g.transfers {
		cancel(errUser)
	}
	return nil
}
