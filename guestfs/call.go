package guestfs

import (
	"context"
	"io"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// call is a call of a method that is a procedure.
type call struct {
	name    string
	proc    uint32
	params  []any    // for the trace
	args    rpc.Args // nil if there are none
	ret     any      // pointer to the result, for the trace
	result  func(*xdr.Codec)
	filein  string // host paths, or ""
	fileout string
}

// do makes a call.
func (g *Guestfs) do(c *call) error {
	return g.local(c.name, c.params, c.ret, func() error {
		r := request{name: c.name, proc: c.proc, args: c.args, result: c.result}
		switch protocolTransfer(c.proc) {
		case protocol.FileIn:
			f, err := openIn(c.filein)
			if err != nil {
				return err
			}
			defer f.Close()
			r.in, r.hint = f, f.size()
		case protocol.FileOut:
			f := &outFile{name: c.fileout}
			r.out = f
			err := g.request(&r)
			return f.close(err)
		}
		return g.request(&r)
	})
}

func protocolTransfer(proc uint32) protocol.Transfer { return rpc.Lookup(proc).Transfer }

// local does what a method does, with trace and error.
func (g *Guestfs) local(name string, params []any, ret any, f func() error) error {
	if g.isClosed() {
		return toError(name, errClosed)
	}
	traced := g.settings.getBool(&g.settings.trace)
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
	name   string
	proc   uint32
	args   rpc.Args
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
		return errorf(0, "%s: call launch before using this function", r.name)
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
		return callError(ctx, r.name, err)
	}
	return nil
}

// call makes a call of a procedure by a function that is not the procedure itself.
func (g *Guestfs) call(proc uint32, a rpc.Args, result func(*xdr.Codec)) error {
	return g.request(&request{name: rpc.Lookup(proc).Name, proc: proc, args: a, result: result})
}

func (g *Guestfs) userCancel() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, cancel := range g.transfers {
		cancel(errUser)
	}
	return nil
}
