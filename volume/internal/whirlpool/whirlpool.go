// Package whirlpool is the hash function Whirlpool of ISO/IEC 10118-3:2004, which volumes of
// the age of TrueCrypt derive their keys with. It follows P. Barreto and V. Rijmen, "The
// Whirlpool Hashing Function", 2003. It is not for anything new, and it is not constant-time.
package whirlpool

import (
	"encoding/binary"
	"hash"
)

const (
	// Size is the length of a sum in bytes.
	Size = 64
	// BlockSize is the length of the blocks that are hashed, in bytes.
	BlockSize = 64
)

type digest struct {
	state  [8]uint64 // the rows of the matrix
	block  [BlockSize]byte
	filled int    // of block
	length uint64 // of all that was written, in bytes
}

// New returns a hash that computes the Whirlpool sum.
func New() hash.Hash { return new(digest) }

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return BlockSize }
func (d *digest) Reset()         { *d = digest{} }

func (d *digest) Write(p []byte) (int, error) {
	n := len(p)
	d.length += uint64(n)
	if d.filled > 0 {
		k := copy(d.block[d.filled:], p)
		d.filled += k
		p = p[k:]
		if d.filled < BlockSize {
			return n, nil
		}
		d.compress(d.block[:])
	}
	for ; len(p) >= BlockSize; p = p[BlockSize:] {
		d.compress(p)
	}
	d.filled = copy(d.block[:], p)
	return n, nil
}

// Sum pads a copy, so that the caller may go on to write.
func (d *digest) Sum(b []byte) []byte {
	e := *d
	// One bit that is set, then zeros, then the length in bits as a number of 256 bits.
	e.block[e.filled] = 0x80
	clear(e.block[e.filled+1:])
	if e.filled+1 > BlockSize-32 {
		e.compress(e.block[:])
		clear(e.block[:])
	}
	binary.BigEndian.PutUint64(e.block[48:], e.length>>61)
	binary.BigEndian.PutUint64(e.block[56:], e.length<<3)
	e.compress(e.block[:])
	for _, row := range e.state {
		b = binary.BigEndian.AppendUint64(b, row)
	}
	return b
}
