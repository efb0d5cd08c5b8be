package lzop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
)

var be = binary.BigEndian

// The versions of lzop(1) that files may need.
const oldest, newest = 0x0900, 0x1040

// The flags of a header that say how it is read on, beside those of checksums.
const (
	flagExtra  = 1 << 6
	flagFilter = 1 << 11
	flagCRC32  = 1 << 12 // the checksum of the header is a CRC-32
)

// A Header is that of a member.
type Header struct {
	// Flags say which checksums the blocks have, among others.
	Flags uint32
}

// Sums are those flags of a header that say which checksums its blocks have.
func (h *Header) Sums() uint32 {
	var mask uint32
	for _, c := range checksums {
		mask |= c.plain | c.pack
	}
	return h.Flags & mask
}

// ReadHeader reads the header of a member. At the end of the file, and of one that was filled up
// with zeros, the error is [io.EOF].
func ReadHeader(r io.Reader) (*Header, error) {
	magic := make([]byte, len(Magic))
	switch n, err := io.ReadFull(r, magic); {
	case err == nil && string(magic) == Magic:
	case err == nil, err == io.ErrUnexpectedEOF:
		return nil, zerosOnly(magic[:n], r)
	default:
		return nil, err
	}
	in := &summed{r: r}
	fixed, err := in.read(4)
	if err != nil {
		return nil, err
	}
	// Version 0.94 is the first that says which version is needed, and a level.
	version, rest := be.Uint16(fixed), 1+4+4+4+1
	if version < oldest {
		return nil, ErrUnsupported
	}
	if version >= 0x940 {
		rest += 2 + 1 + 4
	}
	b, err := in.read(rest)
	if err != nil {
		return nil, err
	}
	needed, method, flags := version, b[0], be.Uint32(b[1:])
	if version >= 0x940 {
		needed, method, flags = be.Uint16(b), b[2], be.Uint32(b[4:])
	}
	if needed > newest || flags&flagFilter != 0 || method < 1 || method > 3 {
		return nil, ErrUnsupported
	}
	if _, err := in.read(int(b[rest-1])); err != nil { // the name
		return nil, err
	}
	if err := in.verify(flags); err != nil {
		return nil, err
	}
	if flags&flagExtra != 0 {
		in.b = in.b[:0]
		size, err := in.read(4)
		if err != nil {
			return nil, err
		}
		if n := be.Uint32(size); n > 1<<16 {
			return nil, corrupt("its header has an extra field of %d bytes", n)
		} else if _, err := in.read(int(n)); err != nil {
			return nil, err
		}
		if err := in.verify(flags); err != nil {
			return nil, err
		}
	}
	return &Header{Flags: flags}, nil
}

// zerosOnly returns io.EOF if there are only zeros to the end.
func zerosOnly(b []byte, r io.Reader) error {
	more := make([]byte, 32<<10)
	for {
		if len(bytes.Trim(b, "\x00")) > 0 {
			return corrupt("something follows that is no member")
		}
		n, err := r.Read(more)
		if err != nil && n == 0 {
			return err
		}
		b = more[:n]
	}
}

// A summed reads what is followed by a checksum.
type summed struct {
	r io.Reader
	b []byte // that was read
}

func (s *summed) read(n int) ([]byte, error) {
	at := len(s.b)
	s.b = append(s.b, make([]byte, n)...)
	return s.b[at:], readFull(s.r, s.b[at:], "a header")
}

// verify reads the checksum.
func (s *summed) verify(flags uint32) error {
	h := hash.Hash32(adler32.New())
	if flags&flagCRC32 != 0 {
		h = crc32.NewIEEE()
	}
	h.Write(s.b)
	var sum [4]byte
	if err := readFull(s.r, sum[:], "a header"); err != nil {
		return err
	}
	if h.Sum32() != be.Uint32(sum[:]) {
		return fmt.Errorf("%w: that of a header", ErrChecksum)
	}
	return nil
}
