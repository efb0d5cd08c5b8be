package treecopy

import (
	"bytes"
	"io"

	"github.com/unboot/unboot"
)

// A sectionBody is the body of a file that can be read anywhere.
type sectionBody struct {
	file interface {
		io.ReaderAt
		io.Closer
	}
	whole  io.Reader // the file itself, if it is not sparse
	data   []unboot.Extent
	sparse bool
	vague  bool // see holes
	next   int
	cur    io.Reader
}

func (b *sectionBody) segments() ([]unboot.Extent, bool) { return b.data, b.sparse }
func (b *sectionBody) holes() bool                       { return b.vague }
func (b *sectionBody) Close() error                      { return b.file.Close() }

func (b *sectionBody) Read(p []byte) (int, error) {
	if !b.sparse {
		return b.whole.Read(p)
	}
	for {
		if b.cur != nil {
			n, err := b.cur.Read(p)
			if n > 0 || err != io.EOF {
				return n, err
			}
		}
		if b.next == len(b.data) {
			return 0, io.EOF
		}
		e := b.data[b.next]
		b.next++
		b.cur = io.NewSectionReader(b.file, e.Offset, e.Length)
	}
}

// WriteTo lets a file of an image write itself.
func (b *sectionBody) WriteTo(w io.Writer) (int64, error) {
	if w2, ok := b.whole.(io.WriterTo); ok && !b.sparse {
		return w2.WriteTo(w)
	}
	return io.CopyBuffer(w, struct{ io.Reader }{b}, make([]byte, 1<<20))
}

// A memoryBody is content that was loaded.
type memoryBody struct{ *bytes.Reader }

func (memoryBody) Close() error                      { return nil }
func (memoryBody) segments() ([]unboot.Extent, bool) { return nil, false }
func (memoryBody) holes() bool                       { return false }
