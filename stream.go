package unboot

import (
	"cmp"
	"errors"
	"hash"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/unboot/unboot/lkl"
)

const (
	// readPiece and writePiece are the sizes of the requests of WriteTo and
	// ReadFrom. Both are large enough for fixed costs to be small, and for
	// writing the memory still fits in a processor's second cache.
	readPiece  = 2 << 20
	writePiece = 1 << 20

	// writeAhead is after how many bytes the host begins to write to its disk
	// what it caches, which a Sync at the end waits for otherwise.
	writeAhead = 32 << 20

	// streamDepth is how many requests are in flight.
	streamDepth = 2

	// streamAlign is what offsets must be multiples of for data to take the
	// short way.
	streamAlign = 4 << 10
)

// WriteTo writes the rest of the file to w. Several requests are in flight. If w is
// an *os.File, the data is written from where the kernel has put it, or has found
// it: of a large file in an image that is only read, the host's sendfile(2) moves
// most from one file to the other.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	out := &pieceWriter{w: w, shared: mayShare(w)}
	out.file, _ = w.(*os.File)
	err := f.readPieces(out)
	f.pos += out.n
	if out.err != nil {
		return out.n, out.err
	}
	return out.n, f.pathError("read", err)
}

// A pieceWriter writes memory that is shared with the kernel.
type pieceWriter struct {
	w      io.Writer
	file   *os.File // w, if it is one
	shared bool     // w may see the shared memory itself
	copied []byte
	n      int64
	sent   int64 // of n, without reading it
	err    error // of w
}

// mayShare reports whether a writer does nothing with what it is given but copy
// it or add it up, so that it does not matter if the kernel's process changes
// it meanwhile.
func mayShare(w io.Writer) bool {
	switch w.(type) {
	case syscall.Conn, hash.Hash, *File: // files, pipes and connections
		return true
	}
	return w == io.Discard
}

// write writes a piece. It returns false if w has failed.
func (o *pieceWriter) write(p []byte) bool {
	if !o.shared {
		o.copied = append(o.copied[:0], p...)
		p = o.copied
	}
	var n int
	n, o.err = o.w.Write(p)
	o.n += int64(n)
	if o.err == nil && n < len(p) {
		o.err = io.ErrShortWrite
	}
	return o.err == nil
}

// send writes what was read or found. It returns false if w has failed.
func (o *pieceWriter) send(spans []lkl.Span) (ok bool, rerr error) {
	for i := range spans {
		sent := 0
		if o.file != nil {
			sent = spans[i].SendTo(o.file)
			o.n += int64(sent)
			o.sent += int64(sent)
		}
		if sent == spans[i].Len() {
			continue
		}
		data, err := spans[i].Bytes()
		if err != nil {
			return true, err
		}
		if !o.write(data[sent:]) {
			return false, nil
		}
	}
	return true, nil
}

// readPieces reads from the file's offset to its end.
//
// Preconditions: posMu is held.
func (f *File) readPieces(out *pieceWriter) error {
	st, err := f.Stat()
	if err != nil {
		return errors.Unwrap(err)
	}
	k := f.fs.t.img.k
	// The first piece ends where the others may start, and is all there is
	// of a small file.
	size := readPiece
	if rest := st.Size() - f.pos; rest < readPiece {
		size = int(max(rest, 0))/streamAlign*streamAlign + streamAlign
	}
	buf, err := k.Alloc(size)
	if err != nil {
		return err
	}
	mem := buf.Bytes()
	if size == readPiece {
		mem = mem[:size-int(f.pos%streamAlign)]
	}
	n, more, err := f.sendPiece(out, mem, f.pos)
	buf.Free()
	if !more {
		return err
	}
	return f.readAhead(out, f.pos+int64(n))
}

// sendPiece sends as much as mem holds, or the file has, and reports whether there
// may be more.
func (f *File) sendPiece(out *pieceWriter, mem []byte, off int64) (n int, more bool, err error) {
	spans, n, err := f.locate(out, mem, off)
	ok, rerr := out.send(spans)
	return n, ok && rerr == nil && err == nil && n == len(mem), cmp.Or(rerr, err)
}

// locate reads or finds as much as p holds, or the file has. What is only found
// is read, too, if there is no file to send it to: here many do so at once.
func (f *File) locate(out *pieceWriter, p []byte, off int64) (spans []lkl.Span, n int, err error) {
	err = f.do(func(fd int) error {
		spans, err = f.fs.view.Locate(fd, p, off)
		return err
	})
	for i := range spans {
		if out.file == nil {
			if _, rerr := spans[i].Bytes(); rerr != nil {
				return spans[:i], n, rerr
			}
		}
		n += spans[i].Len()
	}
	return spans, n, err
}

// sendFound sends from off on as long as the kernel does not read but find, which
// takes so little time that nothing is gained by doing it ahead. It returns how
// far it has come, and whether there is more.
func (f *File) sendFound(out *pieceWriter, mem []byte, off int64) (next int64, more bool, err error) {
	for {
		before := out.sent
		n, more, err := f.sendPiece(out, mem, off)
		if !more {
			return off, false, err
		}
		off += int64(n)
		if out.sent == before {
			return off, true, nil
		}
	}
}

// readAhead reads pieces from off to the end of the file: each of some
// goroutines fills one buffer again and again, and they are written in turn.
func (f *File) readAhead(out *pieceWriter, off int64) error {
	type piece struct {
		spans []lkl.Span
		n     int
		err   error
	}
	var (
		pieces [streamDepth]chan piece
		free   [streamDepth]chan struct{}
		stop   = make(chan struct{})
		done   sync.WaitGroup
	)
	// One buffer for all: who waits for a second one while holding one may
	// wait for ever.
	buf, err := f.fs.t.img.k.Alloc(streamDepth * readPiece)
	if err != nil {
		return err
	}
	defer buf.Free()
	if out.file != nil {
		var more bool
		if off, more, err = f.sendFound(out, buf.Bytes(), off); !more {
			return err
		}
	}
	defer done.Wait()
	defer close(stop)
	for i := range streamDepth {
		mem := buf.Bytes()[i*readPiece:][:readPiece]
		full, empty := make(chan piece, 1), make(chan struct{}, 1)
		pieces[i], free[i] = full, empty
		at := off + int64(i)*readPiece
		done.Go(func() {
			for ; ; at += streamDepth * readPiece {
				spans, n, err := f.locate(out, mem, at)
				full <- piece{spans, n, err}
				if err != nil || n < readPiece {
					return
				}
				select {
				case <-empty:
				case <-stop:
					return
				}
			}
		})
	}
	for i := 0; ; i = (i + 1) % streamDepth {
		p := <-pieces[i]
		if ok, err := out.send(p.spans); !ok || err != nil {
			return err
		}
		if p.err != nil || p.n < readPiece {
			return p.err
		}
		free[i] <- struct{}{}
	}
}

// ReadFrom writes what it reads from r until io.EOF at the file's offset, while
// it reads on.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	// The first piece ends where the others may start.
	limit := writePiece - int(f.pos%streamAlign)
	buf, err := f.fs.t.img.k.Alloc(writePiece)
	if err != nil {
		return 0, f.pathError("write", err)
	}
	mem, free := writeMemory(r, buf)
	n, rerr := readFull(r, mem[:limit])
	var done int64
	if n > 0 {
		var w int
		w, err = f.write(mem[:n])
		done = int64(w)
	}
	free()
	switch {
	case err != nil:
		return done, f.pathError("write", err)
	case rerr == io.EOF:
		return done, nil
	case rerr != nil:
		return done, rerr
	}
	more, err := f.writeBehind(r)
	return done + more, err
}

// writeMemory returns memory to read r into, for writing: the buffer's, if r
// gets its data by a system call; else memory of the program, for r may use it
// to compute with, and the kernel's process could change what it has put there.
func writeMemory(r io.Reader, buf *lkl.Buffer) (mem []byte, free func()) {
	for {
		switch x := r.(type) {
		case *io.LimitedReader:
			r = x.R
			continue
		case syscall.Conn: // files, pipes and connections
			return buf.Bytes(), buf.Free
		}
		mem = make([]byte, len(buf.Bytes()))
		buf.Free()
		return mem, func() {}
	}
}

// readFull reads until p is full. Unlike io.ReadFull, the error is io.EOF whenever
// r has ended.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if n == len(p) && err != io.EOF {
		err = nil
	}
	return n, err
}

// writeBehind writes what it reads from r, while it reads the next piece.
//
// Preconditions: posMu is held.
func (f *File) writeBehind(r io.Reader) (int64, error) {
	type piece struct {
		p    []byte
		slot int
	}
	var (
		full  = make(chan piece, 1)
		empty = make(chan int, streamDepth)
		quit  = make(chan struct{})
		mems  [streamDepth][]byte
		total int64
		werr  error
	)
	buf, err := f.fs.t.img.k.Alloc(streamDepth * writePiece)
	if err != nil {
		return 0, f.pathError("write", err)
	}
	mem, free := writeMemory(r, buf)
	defer free()
	for i := range streamDepth {
		mems[i] = mem[i*writePiece:][:writePiece]
		empty <- i
	}
	go func() {
		defer close(quit)
		for p := range full {
			n, err := f.write(p.p)
			if total/writeAhead != (total+int64(n))/writeAhead {
				f.fs.t.img.startWriting()
			}
			total += int64(n)
			if err != nil {
				werr = err
				return
			}
			empty <- p.slot
		}
	}()
	var rerr error
	for rerr == nil {
		var slot, n int
		select {
		case slot = <-empty:
		case <-quit:
			return total, f.pathError("write", werr)
		}
		n, rerr = readFull(r, mems[slot])
		if n == 0 {
			continue
		}
		select {
		case full <- piece{mems[slot][:n], slot}:
		case <-quit:
			return total, f.pathError("write", werr)
		}
	}
	close(full)
	<-quit
	if werr != nil {
		return total, f.pathError("write", werr)
	}
	if rerr == io.EOF {
		rerr = nil
	}
	return total, rerr
}
