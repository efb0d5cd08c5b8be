package qcow2

import (
	"bytes"
	"fmt"
	"io"
)

// Types of header extensions.
const (
	extensionEnd           = 0
	extensionBackingFormat = 0xe2792aca
	extensionFeatureNames  = 0x6803f857
	extensionDataFile      = 0x44415441
	extensionEncryption    = 0x0537be77
	extensionBitmaps       = 0x23852875
)

const (
	maxFormat      = 63 // bytes, of the name of a format; QEMU takes 15
	featureName    = 48 // bytes, of an entry in the table of feature names
	maxFeatureName = 64 // entries that are read
)

// readExtensions reads the extensions between the header and end, and returns the
// names of incompatible features, by their bits. An extension that is not known is
// passed over, as the specification wants it.
func (h *Header) readExtensions(r io.ReaderAt, end int64) (map[int]string, error) {
	names := map[int]string{}
	// At most 2 MiB, of which no more is kept than what is known.
	area := &window{r: r, end: end}
	for off := h.length; off+8 <= end; {
		head, err := area.read(off, 8)
		if err != nil {
			return nil, fmt.Errorf("read the header's extensions: %w", err)
		}
		kind, n := be.Uint32(head), int64(be.Uint32(head[4:]))
		off += 8
		if kind == extensionEnd {
			break
		}
		if n > end-off {
			return nil, damaged("a header extension of %d bytes", n)
		}
		switch kind {
		case extensionBackingFormat:
			h.BackingFormat, err = area.text(off, n, maxFormat)
		case extensionDataFile:
			h.DataFile, err = area.text(off, n, maxName)
		case extensionFeatureNames:
			err = area.featureNames(off, n, names)
		case extensionEncryption:
			h.encryption, err = area.part(off, n, 0)
		case extensionBitmaps:
			h.bitmaps, err = area.part(off, n, 8)
		}
		if err != nil {
			return nil, fmt.Errorf("read header extension %#x: %w", kind, err)
		}
		off += (n + 7) &^ 7
	}
	return names, nil
}

// window reads the header's cluster a few KiB at a time.
type window struct {
	r     io.ReaderAt
	end   int64
	start int64
	buf   []byte
}

// read returns n bytes at off, n being some KiB at most. They are valid until the
// next read.
func (w *window) read(off, n int64) ([]byte, error) {
	if off < w.start || off+n > w.start+int64(len(w.buf)) {
		size := min(max(n, 4096), w.end-off)
		w.start, w.buf = off, make([]byte, size)
		got, err := w.r.ReadAt(w.buf, off)
		w.buf = w.buf[:got]
		if int64(got) < n {
			if err == nil || err == io.EOF {
				return nil, fmt.Errorf("%w: %w", ErrDamaged, io.ErrUnexpectedEOF)
			}
			return nil, err
		}
	}
	return w.buf[off-w.start:][:n], nil
}

// part reads an extension of n bytes that says where in the file something is. Of bitmaps,
// the number of bytes comes first.
func (w *window) part(off, n, at int64) (p part, err error) {
	if n < at+16 {
		return p, nil // it is of no matter to reading
	}
	b, err := w.read(off+at, 16)
	if err != nil {
		return p, err
	}
	p.off, p.n = int64(be.Uint64(b)), int64(be.Uint64(b[8:]))
	if at != 0 {
		p.off, p.n = p.n, p.off
	}
	return p, nil
}

// text reads a name of at most limit bytes.
func (w *window) text(off, n, limit int64) (string, error) {
	if n > limit {
		return "", damaged("a name of %d bytes", n)
	}
	b, err := w.read(off, n)
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return "", damaged("a name with a zero byte")
	}
	return string(b), nil
}

// featureNames reads the names of the incompatible features.
func (w *window) featureNames(off, n int64, names map[int]string) error {
	b, err := w.read(off, min(n, maxFeatureName*featureName))
	if err != nil {
		return err
	}
	for ; len(b) >= featureName; b = b[featureName:] {
		if kind, bit := b[0], b[1]; kind == 0 && bit < 64 {
			name, _, _ := bytes.Cut(b[2:featureName], []byte{0})
			names[int(bit)] = string(name)
		}
	}
	return nil
}
