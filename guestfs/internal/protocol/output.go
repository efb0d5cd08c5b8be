package protocol

import (
	"context"
	"io"
	"sync"
)

// output is the file that follows a reply.
type output struct {
	call *Call

	mu      sync.Mutex // guards what follows
	buf     []byte     // messages that are not written yet
	data    []byte     // the end of buf: data of the chunk that is being filled
	started bool       // the reply is written, or in buf
	sent    bool       // something is written
	err     error      // why nothing more can be written
}

// chunkPrefix is what comes before a chunk's data: lengths and flag.
const chunkPrefix = 4 + chunkOverhead

// Write implements io.Writer.
func (o *output) Write(p []byte) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(p) > 0 {
		if o.err != nil {
			return n, o.err
		}
		if !o.started {
			o.start()
			continue
		}
		k := min(len(p), ChunkMax-len(o.data))
		switch {
		case len(o.data) == 0 && k == ChunkMax:
			o.buf = appendChunk(o.buf, p[:k], false)
		default:
			if o.data == nil {
				o.data = make([]byte, 0, ChunkMax)
			}
			o.data = append(o.data, p[:k]...)
			if len(o.data) == ChunkMax {
				o.endChunk()
			}
		}
		p = p[k:]
		n += k
		if len(o.buf) >= BatchSize {
			o.flush()
		}
	}
	return n, o.err
}

// ReadFrom implements io.ReaderFrom: it reads in pieces of BatchSize, unless r can write.
func (o *output) ReadFrom(r io.Reader) (total int64, err error) {
	if from, ok := r.(io.WriterTo); ok {
		return from.WriteTo(sharedOutput{o})
	}
	buf := make([]byte, BatchSize)
	for {
		n, err := r.Read(buf)
		m, werr := o.Write(buf[:n])
		total += int64(m)
		if werr != nil {
			return total, werr
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// sharedOutput is an output as an unboot.SharedWriter: data is only copied into chunks.
type sharedOutput struct{ o *output }

func (s sharedOutput) Write(p []byte) (int, error)       { return s.o.Write(p) }
func (s sharedOutput) WriteShared(p []byte) (int, error) { return s.o.Write(p) }

// start puts the reply before the chunks.
func (o *output) start() {
	o.buf = make([]byte, 0, BatchSize+2*ChunkMax)
	o.buf, o.err = o.call.appendReply(o.buf, nil)
	o.started = true
}

func (o *output) endChunk() {
	if len(o.data) > 0 {
		o.buf = appendChunk(o.buf, o.data, false)
		o.data = o.data[:0]
	}
}

// flush writes buf, unless the library has cancelled.
func (o *output) flush() {
	if o.call.cancelled() {
		o.err = ErrCancelled
		return
	}
	o.sent = true
	if err := o.call.conn.write(o.buf); err != nil && o.err == nil {
		o.err = err
	}
	o.buf = o.buf[:0]
}

// finish ends the file, or sends that it ended with err. The error it returns is one
// of the connection.
func (o *output) finish(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	cancelled := o.call.cancelled()
	if err != nil && !o.sent && !cancelled {
		return o.call.sendReply(err)
	}
	if !o.sent && cancelled {
		// A library that has cancelled still waits for the reply.
		o.started = false
	}
	if !o.started {
		o.start()
	}
	if err == nil && !cancelled && o.err == nil {
		o.endChunk()
		o.buf = appendChunk(o.buf, nil, false)
	} else {
		if o.sent {
			o.buf = o.buf[:0]
		}
		o.buf = appendChunk(o.buf, nil, true)
	}
	defer func() { o.err = context.Canceled }()
	return o.call.conn.write(o.buf)
}
