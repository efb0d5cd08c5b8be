// Package testdisk has what tests of image formats share that do not open images by package
// source of disk: files in memory, reads that are compared with extents, and cuts of the
// power.
package testdisk

import (
	"bytes"
	"io"
	"strings"
	"syscall"
)

const piece = 64 << 10

// A Disk is a file in memory that grows as it is written to. It has memory for what was
// written alone, as images have large holes. It is not safe for use by several goroutines.
type Disk struct {
	ReadOnly bool
	Fail     error // what flushes and writes fail with
	Limit    int64 // of the size
	Record   bool  // keep Log
	Log      []Record

	size   int64
	pieces map[int64][]byte
}

// A Record is a write, a change of the size, or else a flush.
type Record struct {
	Off    int64
	Data   []byte
	Resize bool // to Off
}

// New returns a file that has b, and may grow to 64 MiB.
func New(b []byte) *Disk {
	d := &Disk{Limit: 64 << 20, pieces: map[int64][]byte{}}
	d.Put(b, 0)
	return d
}

// ReadOnly returns a file that has b, and is not open for writing.
func ReadOnly(b []byte) *Disk {
	d := New(b)
	d.ReadOnly = true
	return d
}

// Bytes returns all of it.
func (d *Disk) Bytes() []byte {
	b := make([]byte, d.size)
	d.ReadAt(b, 0)
	return b
}

// Clone returns a copy, without the log.
func (d *Disk) Clone() *Disk {
	c := New(nil)
	c.ReadOnly, c.Limit, c.size = d.ReadOnly, d.Limit, d.size
	for at, b := range d.pieces {
		c.pieces[at] = bytes.Clone(b)
	}
	return c
}

// Equal reports whether both have the same content.
func (d *Disk) Equal(other *Disk) bool {
	some := func(a, b *Disk) bool {
		zeros := make([]byte, piece)
		for at, p := range a.pieces {
			q := b.pieces[at]
			if q == nil {
				q = zeros
			}
			if n := min(piece, max(a.size-at, 0)); !bytes.Equal(p[:n], q[:n]) {
				return false
			}
		}
		return true
	}
	return d.size == other.size && some(d, other) && some(other, d)
}

// ReadAt implements [io.ReaderAt].
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		if at >= d.size {
			return n, io.EOF
		}
		in := int(at % piece)
		size := int(min(int64(min(len(p)-n, piece-in)), d.size-at))
		if b := d.pieces[at-int64(in)]; b != nil {
			copy(p[n:n+size], b[in:])
		} else {
			clear(p[n : n+size])
		}
		n += size
	}
	return len(p), nil
}

// WriteAt implements [io.WriterAt].
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	switch {
	case d.Fail != nil:
		return 0, d.Fail
	case off+int64(len(p)) > d.Limit:
		return 0, syscall.EFBIG
	}
	if d.Record {
		d.Log = append(d.Log, Record{Off: off, Data: bytes.Clone(p)})
	}
	d.Put(p, off)
	return len(p), nil
}

// Put changes the content for the test, whatever is allowed.
func (d *Disk) Put(p []byte, off int64) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		in := int(at % piece)
		size := min(len(p)-n, piece-in)
		b := d.pieces[at-int64(in)]
		if b == nil {
			b = make([]byte, piece)
			d.pieces[at-int64(in)] = b
		}
		copy(b[in:], p[n:n+size])
		n += size
	}
	d.size = max(d.size, off+int64(len(p)))
}

// Resize implements [disk.Resizer]. What is cut off is gone.
func (d *Disk) Resize(size int64) error {
	switch {
	case d.Fail != nil:
		return d.Fail
	case size > d.Limit:
		return syscall.EFBIG
	}
	if d.Record {
		d.Log = append(d.Log, Record{Off: size, Resize: true})
	}
	for at, b := range d.pieces {
		if at+piece > size {
			clear(b[max(size-at, 0):])
		}
	}
	d.size = size
	return nil
}

// Flush does nothing that could be seen.
func (d *Disk) Flush() error {
	if d.Record {
		d.Log = append(d.Log, Record{})
	}
	return d.Fail
}

func (d *Disk) Size() int64    { return d.size }
func (d *Disk) Close() error   { return nil }
func (d *Disk) Writable() bool { return !d.ReadOnly }

// Words says what was done since they were asked for last: "flush", and where the writes
// went. It does not say that the size has changed.
func (d *Disk) Words(where func(off int64) string) string {
	var words []string
	for _, r := range d.Log {
		switch {
		case r.Data != nil:
			words = append(words, where(r.Off))
		case !r.Resize:
			words = append(words, "flush")
		}
	}
	d.Log = nil
	return strings.Join(words, " ")
}
