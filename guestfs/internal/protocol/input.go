package protocol

import (
	"errors"
	"fmt"
	"io"
)

// errConn marks errors after which a connection cannot go on.
var errConn = errors.New("connection lost")

// input is the file that follows a call.
type input struct {
	conn *conn
	body []byte // of the current chunk
	data []byte // of it, not read yet
	err  error  // set when the last chunk has come
}

// Read fills p as far as it can without waiting for more than the first chunk.
func (in *input) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(in.data) == 0 && !in.advance(n == 0) {
			break
		}
		k := copy(p[n:], in.data)
		in.data = in.data[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, in.err
	}
	return n, nil
}

// WriteTo implements io.WriterTo: it writes in pieces of BatchSize.
func (in *input) WriteTo(w io.Writer) (total int64, err error) {
	buf := make([]byte, BatchSize)
	for {
		n, err := io.ReadFull(readOnly{in}, buf)
		if n > 0 {
			m, err := w.Write(buf[:n])
			total += int64(m)
			if err != nil {
				return total, err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			if in.err == io.EOF {
				return total, nil
			}
			return total, in.err
		default:
			return total, err
		}
	}
}

type readOnly struct{ io.Reader }

// advance gets the next chunk, and reports whether there is data.
func (in *input) advance(wait bool) bool {
	if in.err != nil {
		return false
	}
	if in.body != nil {
		in.conn.recycle(in.body)
		in.body = nil
	}
	f, ok, err := in.conn.poll(wait)
	if err == nil && !ok {
		return false
	}
	var cancel bool
	if err == nil && f.word != 0 {
		err = fmt.Errorf("%w: word %#x in a file", ErrProtocol, f.word)
	}
	if err == nil {
		in.body = f.body
		in.data, cancel, err = parseChunk(f.body)
	}
	switch {
	case err != nil:
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		in.err = fmt.Errorf("%w: %w", errConn, err)
		in.data = nil
	case cancel:
		in.err, in.data = ErrCancelled, nil
	case len(in.data) == 0:
		in.err = io.EOF
	}
	return in.err == nil
}

// finish discards what is left of the file, after it has told the library if there
// is an error, and returns the error that the call ends with.
//
// The CANCEL answers a chunk with data. libguestfs looks for it when it is about to send
// one; should that be the one by which it gives up, because it cannot read its file, it
// does not send it once there was a CANCEL, and both sides would wait forever.
func (in *input) finish(err error) error {
	if err != nil && in.err == nil && in.advance(true) {
		if e := in.conn.writeWord(CancelWord); e != nil {
			return fmt.Errorf("%w: %w", errConn, e)
		}
	}
	for in.err == nil {
		in.advance(true)
	}
	switch {
	case errors.Is(in.err, errConn):
		return in.err
	case err == nil && in.err != io.EOF:
		return in.err
	}
	return err
}
