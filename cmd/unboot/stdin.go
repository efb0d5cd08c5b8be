package main

import (
	"context"
	"io"
	"os"

	"github.com/unboot/unboot/internal/cause"
)

// stdin returns standard input. Waiting for more of a pipe or a terminal ends with the
// first signal. A read(2) would not, since the Go runtime's signal handlers restart it.
func (a *app) stdin() io.Reader { return a.interruptible(os.Stdin) }

// interruptible is stdin for any file. A regular file is returned as it is: reading it does
// not wait for anyone.
func (a *app) interruptible(f *os.File) io.Reader {
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		return f
	}
	// Two buffers: one is filled while the other is consumed.
	r := &pipeReader{ctx: a.ctx, full: make(chan piece), empty: make(chan []byte, 2)}
	for range cap(r.empty) {
		r.empty <- make([]byte, 1<<20)
	}
	go r.pump(f)
	return r
}

// A pipeReader reads ahead in a goroutine. When the context ends, the goroutine may remain
// in read(2), which cannot be interrupted; the process is about to end then.
type pipeReader struct {
	ctx   context.Context
	full  chan piece  // from pump to Read
	empty chan []byte // and back; it has room for all buffers, so that Read never waits here

	cur piece
	off int
}

type piece struct {
	buf []byte
	n   int
	err error
}

func (r *pipeReader) pump(f io.Reader) {
	for {
		p := piece{buf: <-r.empty}
		p.n, p.err = f.Read(p.buf)
		select {
		case r.full <- p:
		case <-r.ctx.Done():
			return
		}
		if p.err != nil {
			return
		}
	}
}

func (r *pipeReader) Read(b []byte) (int, error) {
	for r.off == r.cur.n {
		// Only after the bytes that came with it.
		if r.cur.err != nil {
			return 0, r.cur.err
		}
		if r.cur.buf != nil {
			r.empty <- r.cur.buf
		}
		r.cur, r.off = piece{}, 0
		select {
		case r.cur = <-r.full:
		case <-r.ctx.Done():
			return 0, cause.Of(r.ctx)
		}
	}
	n := copy(b, r.cur.buf[r.off:r.cur.n])
	r.off += n
	return n, nil
}
