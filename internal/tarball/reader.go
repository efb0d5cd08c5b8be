package tarball

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Reader reads an archive, which may come from a pipe.
type Reader struct {
	r      io.Reader
	block  [blockSize]byte
	left   int64 // bytes of the current member that were not read
	pad    int64
	pos    int64             // in the archive
	global map[string]string // of type g members
	err    error
}

const (
	// maxExtended bounds what an extended header or a long name may hold:
	// memory that an archive makes us use before it is looked at. Linux
	// limits all attributes of a file to a fraction of it.
	maxExtended = 8 << 20
	// maxSegments bounds the map of a sparse file.
	maxSegments = 4 << 20
)

// NewReader returns a Reader from r, which it reads in pieces of a block where
// there is nothing to be had at once; give it a bufio.Reader or the like.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Offset returns how much of the archive was read, in bytes.
func (r *Reader) Offset() int64 { return r.pos }

// Next goes to the next member, skipping what was not read of the current one.
// It returns io.EOF at the archive's end, be it marked or not. Behind the mark
// nothing is read.
func (r *Reader) Next() (*Header, error) {
	if r.err != nil {
		return nil, r.err
	}
	h, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	return h, nil
}

// More reports whether another archive follows, once Next has returned io.EOF: cat(1)
// makes such files, of which tar(1) too reads the first alone. It looks a little behind
// the zeros that end an archive. If one does, Offset is where.
func (r *Reader) More() bool {
	const most = 1 << 20 // of zeros: tar's blocking factor is hardly ever larger
	if r.err != io.EOF {
		return false
	}
	for range most / blockSize {
		if r.readBlock() != nil {
			return false
		}
		if r.block != ([blockSize]byte{}) {
			_, err := r.decode()
			r.pos -= blockSize
			return err == nil
		}
	}
	return false
}

// extras are what the members before a member say about it.
type extras struct {
	name, link       string
	hasName, hasLink bool
	pax              map[string]string
	order            []string // sparse 0.0 repeats keys: their values in order
}

func (r *Reader) next() (*Header, error) {
	var x extras
	for {
		if err := r.skip(r.left + r.pad); err != nil {
			return nil, err
		}
		r.left, r.pad = 0, 0
		start := r.pos
		if err := r.readBlock(); err != nil {
			if err == io.EOF && x.used() {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if r.block == ([blockSize]byte{}) {
			return nil, io.EOF
		}
		h, err := r.decode()
		if err != nil {
			return nil, fmt.Errorf("%w (at byte %d)", err, start)
		}
		switch h.Type {
		case 'x', 'X', 'g':
			data, err := r.body(h.Size)
			if err != nil {
				return nil, err
			}
			if h.Type == 'g' {
				err = r.addGlobal(data)
			} else {
				err = x.parse(data)
			}
			if err != nil {
				return nil, fmt.Errorf("%w (at byte %d)", err, start)
			}
		case 'L', 'K':
			data, err := r.body(h.Size)
			if err != nil {
				return nil, err
			}
			s := cstring(data)
			if h.Type == 'L' {
				x.name, x.hasName = s, true
			} else {
				x.link, x.hasLink = s, true
			}
		case 'V': // the volume's label
			r.left, r.pad = h.Size, int64(padding(h.Size))
		case 'M':
			return nil, fmt.Errorf("%w: the archive is a later volume of several (at byte %d)", ErrHeader, start)
		default:
			if err := r.member(h, &x); err != nil {
				if errors.Is(err, ErrHeader) {
					err = fmt.Errorf("%w (at byte %d)", err, start)
				}
				return nil, err
			}
			return h, nil
		}
	}
}

func (x *extras) used() bool { return x.hasName || x.hasLink || x.pax != nil }

// member completes the header of a real member.
func (r *Reader) member(h *Header, x *extras) error {
	if x.hasName {
		h.Name = x.name
	}
	if x.hasLink {
		h.Linkname = x.link
	}
	stored := h.Size
	sparse, err := r.apply(h, x, &stored)
	if err != nil {
		return err
	}
	switch h.Type {
	case 0, TypeReg, '7', 'S': // 0 is V7's, 7 a contiguous file, S old GNU's sparse file
		if h.Type == 'S' {
			if err := r.gnuSparse(h); err != nil {
				return err
			}
		}
		h.Type = TypeReg
	case TypeLink, TypeSymlink, TypeChar, TypeBlock, TypeFifo, TypeDir:
		// Their size, if any, is not that of data in the archive: of a
		// link it is the target's, of a directory a quota.
		h.Size, stored = 0, 0
	case 'D': // GNU's incremental archives: the data are a list of names
		h.Type, h.Size = TypeDir, 0
	default:
		// POSIX: what is not known is a regular file.
		h.Type = TypeReg
	}
	if h.Type == TypeReg && !h.Sparse && sparse == nil && h.Size == 0 && strings.HasSuffix(h.Name, "/") {
		h.Type = TypeDir // V7 had no type for them
	}
	if h.Type == TypeDir {
		for len(h.Name) > 1 && h.Name[len(h.Name)-1] == '/' {
			h.Name = h.Name[:len(h.Name)-1]
		}
	}
	if h.Name == "" {
		return fmt.Errorf("%w: a member has no name", ErrHeader)
	}
	if strings.IndexByte(h.Name, 0) >= 0 || strings.IndexByte(h.Linkname, 0) >= 0 {
		return fmt.Errorf("%w: a name with a NUL", ErrHeader)
	}
	r.left, r.pad = stored, int64(padding(stored))
	if h.Type != TypeReg {
		// Of type D the data are skipped.
		r.left, r.pad = 0, r.left+r.pad
		return nil
	}
	switch {
	case h.Sparse: // old GNU's
	case sparse != nil && sparse.major == "1":
		if err := r.sparse10(h); err != nil {
			return err
		}
	case sparse != nil:
		h.Sparse, h.Data = true, sparse.data
	}
	if h.Sparse {
		if sparse != nil && sparse.realsize >= 0 {
			h.Size = sparse.realsize
		}
		if err := r.settle(h); err != nil {
			return err
		}
	}
	return nil
}

// settle checks the map of a sparse file against what is in the archive.
func (r *Reader) settle(h *Header) error {
	data := h.Data[:0]
	for _, s := range h.Data {
		if s.Len == 0 && s.Off >= 0 && s.Off <= h.Size {
			continue // marks the file's end
		}
		data = append(data, s)
	}
	h.Data = data
	if err := checkData(h.Data, h.Size); err != nil {
		return fmt.Errorf("%w: %w", ErrHeader, err)
	}
	if n := h.Stored(); n != r.left {
		return fmt.Errorf("%w: the map of a sparse file is about %d bytes, the archive has %d", ErrHeader, n, r.left)
	}
	return nil
}

// checkData checks that segments ascend within size.
func checkData(data []Segment, size int64) error {
	var end int64
	for _, s := range data {
		if s.Off < end || s.Len <= 0 || s.Len > size || s.Off > size-s.Len {
			return fmt.Errorf("%w: data at %d, %d bytes, in a file of %d", ErrInvalid, s.Off, s.Len, size)
		}
		end = s.Off + s.Len
	}
	return nil
}

// Read reads the current member's data: of a sparse file, those of its segments
// one after the other. It returns io.EOF at their end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	r.pos += int64(n)
	if err == io.EOF {
		err = nil
		if r.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		r.err = err
	}
	return n, err
}

// readBlock reads a header block. io.EOF is that of an archive without a mark
// at its end.
func (r *Reader) readBlock() error {
	n, err := io.ReadFull(r.r, r.block[:])
	r.pos += int64(n)
	if err == io.ErrUnexpectedEOF && r.pos == int64(n) {
		return fmt.Errorf("%w: shorter than a header", ErrHeader)
	}
	return err
}

// body reads the data of a member that is about other members.
func (r *Reader) body(size int64) ([]byte, error) {
	if size > maxExtended {
		return nil, fmt.Errorf("%w: an extended header of %d bytes", ErrHeader, size)
	}
	// As it comes: memory for what is only announced would cost nothing
	// but the announcement.
	var b bytes.Buffer
	n, err := io.CopyN(&b, r.r, size)
	r.pos += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	r.pad = int64(padding(size))
	return b.Bytes(), err
}

// skip passes over n bytes.
func (r *Reader) skip(n int64) error {
	if n == 0 {
		return nil
	}
	m, err := io.CopyN(io.Discard, r.r, n)
	r.pos += m
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// decode reads the fields of the header block.
func (r *Reader) decode() (*Header, error) {
	b := &r.block
	var unsigned, signed int64
	for i, c := range b {
		if i >= offChecksum && i < offChecksum+8 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c)) // some old tar counted so
	}
	sum, err := number(b[offChecksum : offChecksum+8])
	if err != nil || sum != unsigned && sum != signed {
		return nil, fmt.Errorf("%w: a header's checksum is wrong", ErrHeader)
	}
	h := &Header{Type: b[offType], Name: cstring(b[offName : offName+lenName]),
		Linkname: cstring(b[offLinkname : offLinkname+lenName])}
	var p fields
	h.Mode = uint32(p.number(b[offMode:offMode+8]) & 0o7777)
	h.UID = p.number(b[offUID : offUID+8])
	h.GID = p.number(b[offGID : offGID+8])
	h.Size = p.number(b[offSize : offSize+12])
	h.Mtime = time.Unix(p.number(b[offMtime:offMtime+12]), 0)
	magic := string(b[offMagic : offMagic+8])
	if magic[:5] == "ustar" {
		h.User = cstring(b[offUser : offUser+lenUser])
		h.Group = cstring(b[offGroup : offGroup+lenUser])
		if h.Type == TypeChar || h.Type == TypeBlock {
			h.Major = uint32(p.number(b[offMajor : offMajor+8]))
			h.Minor = uint32(p.number(b[offMinor : offMinor+8]))
		}
		// Old GNU has other things in the prefix's place.
		if magic == "ustar\x0000" {
			if prefix := cstring(b[offPrefix : offPrefix+lenPrefix]); prefix != "" {
				h.Name = prefix + "/" + h.Name
			}
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	if h.Size < 0 {
		return nil, fmt.Errorf("%w: a negative size", ErrHeader)
	}
	return h, nil
}

// fields reads numbers and keeps the first error.
type fields struct{ err error }

func (p *fields) number(b []byte) int64 {
	v, err := number(b)
	if err != nil && p.err == nil {
		p.err = err
	}
	return v
}

// number reads a field: octal digits among blanks and NULs, or base 256.
func number(b []byte) (int64, error) {
	if b[0]&0x80 != 0 {
		v := int64(b[0] & 0x7f)
		if b[0]&0x40 != 0 {
			v -= 0x80 // two's complement
		}
		for _, c := range b[1:] {
			if v >= 1<<55 || v < -1<<55 {
				return 0, fmt.Errorf("%w: a number out of range", ErrHeader)
			}
			v = v<<8 | int64(c)
		}
		return v, nil
	}
	b = bytes.Trim(b, " \x00")
	var v int64
	for _, c := range b {
		if c < '0' || c > '7' {
			if c == 0 || c == ' ' {
				break
			}
			return 0, fmt.Errorf("%w: a number with %q in it", ErrHeader, c)
		}
		if v >= 1<<60 {
			return 0, fmt.Errorf("%w: a number out of range", ErrHeader)
		}
		v = v<<3 | int64(c-'0')
	}
	return v, nil
}

// cstring returns the bytes up to a NUL.
func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
