package unboot

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/unboot/unboot/lkl"
)

// A pieceWriter writes a file in pieces.
type pieceWriter struct {
	f      *File
	put    func(p []byte) (int, error) // of the writer
	file   *os.File                    // the writer, if it is one
	shared bool                        // the writer may see memory that is shared with the kernel

	ranged bool  // the file's offset does not matter
	end    int64 // of what is to be written, or -1
	off    int64 // in the file, of what comes next
	moved  bool  // off is not the file's offset any more
	n      int64 // written
	sent   int64 // of n, without reading it
	err    error // of w
}

func newPieceWriter(f *File, w io.Writer) *pieceWriter {
	o := &pieceWriter{f: f, put: w.Write, shared: mayShare(w)}
	if s, ok := w.(SharedWriter); ok {
		o.put, o.shared = s.WriteShared, true
	}
	o.file, _ = w.(*os.File)
	return o
}

// step moves the file's offset, if that matters, as [File.step].
func (o *pieceWriter) step(from, to int64) bool { return o.ranged || o.f.step(from, to) }

// write writes some of the file. It returns false if w has failed, or the offset
// has been moved.
func (o *pieceWriter) write(p []byte) bool {
	end := o.off + int64(len(p))
	if o.moved = !o.step(o.off, end); o.moved {
		return false
	}
	n, err := o.put(p)
	if n < 0 || n > len(p) {
		n, err = 0, errors.New("invalid write result")
	}
	o.n += int64(n)
	o.off += int64(n)
	if o.err = err; err == nil && n < len(p) {
		o.err = io.ErrShortWrite
	}
	if o.err != nil {
		o.step(end, o.off)
	}
	return o.err == nil
}

// send writes a piece. It returns false if w has failed, or the offset has been
// moved.
func (o *pieceWriter) send(p *piece) (ok bool, rerr error) {
	for i := range p.spans {
		sent := 0
		if o.file != nil {
			if o.moved = !o.step(o.off, o.off); o.moved {
				return false, nil
			}
			sent = p.spans[i].SendTo(o.file)
			o.moved = !o.step(o.off, o.off+int64(sent))
			o.off += int64(sent)
			o.n += int64(sent)
			o.sent += int64(sent)
		}
		if o.moved {
			return false, nil
		}
		if sent == p.spans[i].Len() {
			continue
		}
		data, err := p.spans[i].Bytes()
		if err != nil {
			return true, err
		}
		if !o.write(data[sent:]) {
			return false, nil
		}
	}
	return true, nil
}

// A piece is a part of a file that has been read, or found.
type piece struct {
	mem   []byte // for it: of a Buffer if the writer may share it, or the program's
	spans []lkl.Span
	n     int
	ends  bool // it reaches the end of the range
	err   error
}

// last reports whether nothing comes after the piece.
func (p *piece) last() bool { return p.err != nil || p.n < len(p.mem) || p.ends }

// fetch reads or finds what is at off. What is only found is read, too, if there
// is no file to send it to: here many do so at once.
func (o *pieceWriter) fetch(p *piece, off int64) {
	view, mem := o.f.fs.view, p.mem
	p.spans, p.n = nil, 0
	if p.ends = o.end >= 0 && o.end-off <= int64(len(mem)); p.ends {
		mem = mem[:max(o.end-off, 0)]
	}
	if len(mem) == 0 {
		return
	}
	own := !o.shared && len(mem) > streamSmall
	if own {
		buf, err := view.Kernel().Alloc(len(mem))
		if err != nil {
			p.err = err
			return
		}
		defer buf.Free()
		mem = buf.Bytes()
	}
	p.err = o.f.do(func(fd int) (err error) {
		p.spans, err = view.Locate(fd, mem, off)
		return err
	})
	for i := range p.spans {
		s := &p.spans[i]
		if own {
			s.SetMemory(p.mem[p.n:][:s.Len()])
		}
		if o.file == nil {
			if _, err := s.Bytes(); err != nil {
				p.spans, p.err = p.spans[:i], err
				return
			}
		}
		p.n += s.Len()
	}
}

// pass fetches and sends a piece, and reports whether there may be more.
func (o *pieceWriter) pass(mem []byte) (more bool, err error) {
	p := piece{mem: mem}
	o.fetch(&p, o.off)
	ok, rerr := o.send(&p)
	if rerr == nil && ok {
		rerr = p.err
	}
	return ok && rerr == nil && !p.last(), rerr
}

// memory returns memory for n bytes, and what gives it back.
func (o *pieceWriter) memory(n int) ([]byte, func(), error) {
	if !o.shared {
		return make([]byte, n), func() {}, nil
	}
	buf, err := o.f.fs.view.Kernel().Alloc(n)
	if err != nil {
		return nil, nil, err
	}
	return buf.Bytes(), buf.Free, nil
}

// writeRest writes what is from off on.
func (o *pieceWriter) writeRest() error {
	end, err := o.f.Size()
	if err != nil {
		return errors.Unwrap(err)
	}
	// The first piece ends where the others may start, and is all there is
	// of a small file.
	rest := max(end-o.off, 0)
	if o.end >= 0 {
		rest = min(rest, o.end-o.off)
	}
	size := readPiece - int(o.off%streamAlign)
	if rest < readPiece {
		size = int(rest)/streamAlign*streamAlign + streamAlign
	}
	mem, free, err := o.memory(size)
	if err != nil {
		return err
	}
	more, err := o.pass(mem)
	free()
	if !more {
		return err
	}
	// One Buffer for all: who waits for a second one while holding one may
	// wait forever.
	mem, free, err = o.memory(streamDepth * readPiece)
	if err != nil {
		return err
	}
	defer free()
	// Finding data without reading it takes the kernel so little time that nothing
	// is gained by doing it ahead.
	for found := o.file != nil; found; {
		before := o.sent
		if more, err := o.pass(mem[:readPiece]); !more {
			return err
		}
		found = o.sent > before
	}
	return o.readAhead(mem)
}

// readAhead reads pieces from off to the end of the file: each of some
// goroutines fills its part of the memory again and again, and they are written
// in turn.
func (o *pieceWriter) readAhead(mem []byte) error {
	var (
		pieces [streamDepth]chan *piece
		free   [streamDepth]chan struct{}
		stop   = make(chan struct{})
		done   sync.WaitGroup
	)
	defer done.Wait()
	defer close(stop)
	for i := range streamDepth {
		p := &piece{mem: mem[i*readPiece:][:readPiece]}
		full, empty := make(chan *piece, 1), make(chan struct{}, 1)
		pieces[i], free[i] = full, empty
		at := o.off + int64(i)*readPiece
		done.Go(func() {
			for ; ; at += streamDepth * readPiece {
				o.fetch(p, at)
				last := p.last() // it is not this goroutine's any more
				full <- p
				if last {
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
		if ok, err := o.send(p); !ok || err != nil {
			return err
		}
		if p.last() {
			return p.err
		}
		free[i] <- struct{}{}
	}
}
