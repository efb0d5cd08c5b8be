package unboot

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/unboot/unboot/lkl"
)

// ReadFrom writes what it reads from r until io.EOF at the file's offset, while
// it reads on.
//
// While r reads, nothing of the image waits for it, and the file's offset is past
// the data that r has given, as an os.File's is: r may use the file itself. After
// an error of the image it is past what was written.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	from := limited(r)
	if from == io.Reader(f) {
		return copyToItself(f, r)
	}
	in := &pieceReader{f: f, r: r, shared: plainFile(from)}
	defer in.end() // also when r panics
	in.readAll()
	in.end()
	switch {
	case in.werr != nil:
		if !f.append {
			f.step(in.off, in.failed)
		}
		return in.n, f.pathError("write", in.werr)
	case in.rerr == io.EOF:
		return in.n, nil
	}
	return in.n, in.rerr
}

// A pieceReader reads pieces from a reader, and has them written to a file.
type pieceReader struct {
	f      *File
	r      io.Reader
	rerr   error
	shared bool // r reads by a system call that waits for no other goroutine: it may do so to a Buffer
	buf    *lkl.Buffer

	off  int64     // in the file, past what has been read
	cur  filePiece // what has been read and is not being written
	rest []byte    // what has been read and does not belong to cur

	// For the goroutine that writes, if there is one. Memory comes back by
	// empty, which is closed when writing has failed.
	full    chan filePiece
	empty   chan []byte
	writing sync.WaitGroup

	// These belong to who writes, until it has ended.
	n      int64 // written
	failed int64 // offset in the file where writing has failed
	werr   error
}

// A filePiece is to be written to a file.
type filePiece struct {
	p   []byte
	off int64 // unless it is to be appended
}

// readAll reads, and has written, everything until io.EOF or another error of the
// reader or the file.
func (in *pieceReader) readAll() {
	var mem []byte
	if in.off, in.werr = in.f.offset(); in.werr != nil {
		return
	}
	in.failed = in.off
	if mem, in.werr = in.firstMemory(); in.werr != nil {
		return
	}
	// The first piece ends where the others may start. Little data is no more
	// than that, and is written without much ado.
	in.fill(mem, writePiece-int(in.off%streamAlign))
	if mem = in.flush(); in.ended() || in.werr != nil {
		return
	}
	if mem, in.werr = in.start(mem); in.werr != nil {
		return
	}
	for more := true; more; {
		in.fill(mem, writePiece)
		p := in.cur
		in.cur = filePiece{}
		in.full <- p
		if in.ended() {
			return
		}
		mem, more = <-in.empty
	}
}

// ended reports whether all that the reader gives has been read and written.
func (in *pieceReader) ended() bool { return in.rerr != nil && len(in.rest) == 0 }

// fill reads cur, until there are limit bytes, or the file's offset turns out to
// be elsewhere than after them. mem is where to, and is replaced if it is too
// small.
func (in *pieceReader) fill(mem []byte, limit int) {
	if len(mem) < len(in.rest) {
		mem = make([]byte, limit)
	}
	n := copy(mem, in.rest)
	in.cur, in.rest = filePiece{mem[:n], in.off - int64(n)}, nil
	for n < limit && in.rerr == nil {
		if n == len(mem) {
			mem = append(make([]byte, 0, limit), mem...)[:limit]
		}
		room := mem[n:min(limit, len(mem))]
		var m int
		if m, in.rerr = in.r.Read(room); m < 0 || m > len(room) {
			m, in.rerr = 0, errors.New("invalid read result")
		}
		at := in.off
		if !in.f.append {
			at = in.f.advance(int64(m))
		}
		moved := at != in.off
		in.off = at + int64(m)
		switch {
		case moved && n == 0:
			in.cur.off = at
		case moved:
			in.rest = room[:m]
			return
		}
		n += m
		in.cur.p = mem[:n]
	}
}

// firstMemory returns memory for the first piece. Most that is read is small.
func (in *pieceReader) firstMemory() (mem []byte, err error) {
	if !in.shared {
		return make([]byte, streamSmall), nil
	}
	if in.buf, err = in.f.fs.view.Kernel().Alloc(writePiece); err != nil {
		return nil, err
	}
	return in.buf.Bytes(), nil
}

// start starts the goroutine that writes while the next piece is read, and returns
// memory for it. mem is what the first piece had.
func (in *pieceReader) start(mem []byte) ([]byte, error) {
	var second []byte
	if in.shared {
		// One Buffer for all: who waits for a second one while holding one
		// may wait forever.
		in.rest = bytes.Clone(in.rest)
		in.buf.Free()
		var err error
		if in.buf, err = in.f.fs.view.Kernel().Alloc(streamDepth * writePiece); err != nil {
			return nil, err
		}
		mem, second = in.buf.Bytes()[:writePiece:writePiece], in.buf.Bytes()[writePiece:]
	} else {
		second = make([]byte, writePiece)
	}
	in.full, in.empty = make(chan filePiece, 1), make(chan []byte, streamDepth)
	in.empty <- second
	in.writing.Go(in.writeBehind)
	return mem, nil
}

// writeBehind writes pieces until there are no more. When one cannot be written,
// the others are not.
func (in *pieceReader) writeBehind() {
	for p := range in.full {
		if in.werr != nil {
			continue
		}
		if in.write(p); in.werr != nil {
			close(in.empty)
			continue
		}
		in.empty <- p.p[:cap(p.p)]
	}
}

// flush writes cur, and returns its memory.
func (in *pieceReader) flush() []byte {
	p := in.cur
	in.cur = filePiece{}
	in.write(p)
	return p.p[:cap(p.p)]
}

// write writes a piece.
func (in *pieceReader) write(p filePiece) {
	if len(p.p) == 0 {
		return
	}
	f := in.f
	n, err := f.pwrite(p.p, p.off)
	if n > 0 {
		f.noteAppend()
	}
	if before := in.n; before/writeAhead != (before+int64(n))/writeAhead {
		f.fs.t.img.startWriting()
	}
	in.n += int64(n)
	in.failed, in.werr = p.off+int64(n), err
}

// end waits for what is being written, writes what is left if the reader has
// panicked, and frees the memory.
func (in *pieceReader) end() {
	if in.full != nil {
		close(in.full)
		in.writing.Wait()
		in.full = nil
	}
	if in.werr == nil {
		in.flush()
	}
	in.buf.Free()
}
