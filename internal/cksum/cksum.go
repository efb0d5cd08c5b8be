// Package cksum implements the checksum of the POSIX utility cksum(1): a CRC with the high
// bit first, of the bytes and of their number. It is none of those of hash/crc32.
package cksum

import "hash"

// A digest is the CRC of the bytes so far, and their number.
type digest struct {
	crc uint32
	n   uint64
}

var table = func() (t [256]uint32) {
	const polynomial = 0x04c11db7
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			top := c & (1 << 31)
			c <<= 1
			if top != 0 {
				c ^= polynomial
			}
		}
		t[i] = c
	}
	return t
}()

// New returns the checksum of no bytes.
func New() hash.Hash32 { return &digest{} }

func (c *digest) add(b byte) { c.crc = c.crc<<8 ^ table[byte(c.crc>>24)^b] }

// Write implements hash.Hash.
func (c *digest) Write(p []byte) (int, error) {
	for _, b := range p {
		c.add(b)
	}
	c.n += uint64(len(p))
	return len(p), nil
}

// Sum32 returns the checksum.
func (c *digest) Sum32() uint32 {
	d := *c
	for n := c.n; n > 0; n >>= 8 {
		d.add(byte(n))
	}
	return ^d.crc
}

// Sum implements hash.Hash.
func (c *digest) Sum(b []byte) []byte {
	n := c.Sum32()
	return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// Reset implements hash.Hash.
func (c *digest) Reset() { *c = digest{} }

// Size implements hash.Hash.
func (c *digest) Size() int { return 4 }

// BlockSize implements hash.Hash.
func (c *digest) BlockSize() int { return 1 }
