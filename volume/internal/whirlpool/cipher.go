package whirlpool

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

const rounds = 10

// The small boxes from which the paper builds the substitution box, and the first row of
// its circulant matrix, over the field of the polynomial x^8+x^4+x^3+x^2+1.
var (
	boxE   = [16]byte{0x1, 0xb, 0x9, 0xc, 0xd, 0x6, 0xf, 0x3, 0xe, 0x8, 0x7, 0x4, 0xa, 0x2, 0x5, 0x0}
	boxR   = [16]byte{0x7, 0xc, 0xb, 0xd, 0xe, 0x4, 0x9, 0xf, 0x6, 0x3, 0x8, 0xa, 0x2, 0x5, 0x1, 0x0}
	matrix = [8]byte{1, 1, 4, 1, 8, 5, 2, 9}
)

const polynomial = 0x11d

type tableSet struct {
	// mixed has for each byte what becomes of it in the first column: substituted and
	// multiplied by a row of the matrix. In another column the result is only rotated.
	mixed     [256]uint64
	constants [rounds]uint64
}

// tables are made from those when they are needed first: few programs do.
var tables = sync.OnceValue(func() *tableSet {
	t := &tableSet{}
	sbox := substitution()
	for x := range t.mixed {
		for _, c := range matrix {
			t.mixed[x] = t.mixed[x]<<8 | uint64(multiply(sbox[x], c))
		}
	}
	for r := range t.constants {
		t.constants[r] = binary.BigEndian.Uint64(sbox[8*r:])
	}
	return t
})

func substitution() (s [256]byte) {
	var inverse [16]byte
	for i, e := range boxE {
		inverse[e] = byte(i)
	}
	for x := range s {
		hi, lo := boxE[x>>4], inverse[x&15]
		r := boxR[hi^lo]
		s[x] = boxE[hi^r]<<4 | inverse[lo^r]
	}
	return s
}

func multiply(a, b byte) byte {
	var product uint16
	for x := uint16(a); b > 0; b >>= 1 {
		if b&1 != 0 {
			product ^= x
		}
		if x <<= 1; x&0x100 != 0 {
			x ^= polynomial
		}
	}
	return byte(product)
}

// round substitutes each byte, moves column j down by j rows, and mixes the rows.
func (t *tableSet) round(in *[8]uint64) (out [8]uint64) {
	for i := range out {
		var row uint64
		for j := range 8 {
			b := byte(in[(i-j)&7] >> (56 - 8*j))
			row ^= bits.RotateLeft64(t.mixed[b], -8*j)
		}
		out[i] = row
	}
	return out
}

// compress is the construction of Miyaguchi and Preneel over the cipher W, whose key is the
// state.
func (d *digest) compress(block []byte) {
	t := tables()
	key, text := d.state, [8]uint64{}
	for i := range text {
		word := binary.BigEndian.Uint64(block[8*i:])
		text[i] = word ^ key[i]
		d.state[i] ^= word
	}
	for _, c := range t.constants {
		key = t.round(&key)
		key[0] ^= c
		text = t.round(&text)
		for i := range text {
			text[i] ^= key[i]
		}
	}
	for i := range text {
		d.state[i] ^= text[i]
	}
}
