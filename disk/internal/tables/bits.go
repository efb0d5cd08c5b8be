package tables

import "math/bits"

// Bits is a bitmap in a file, which begins with a byte.
type Bits struct {
	File *File
	At   int64
	High bool // the first bit of a byte is its highest
}

// byte reads a byte so that its first bit is the lowest.
func (b Bits) byte(i int64) (byte, error) {
	var p [1]byte
	err := b.File.Read(p[:], b.At+i)
	if b.High {
		p[0] = bits.Reverse8(p[0])
	}
	return p[0], err
}

// Run returns whether the bit i is set, and how many of n bits from there on are as that
// one. The error is io.ErrUnexpectedEOF if the file ends before.
func (b Bits) Run(i, n int64) (set bool, run int64, err error) {
	for run < n {
		c, err := b.byte((i + run) / 8)
		if err != nil {
			return false, 0, err
		}
		bit := uint((i + run) % 8)
		if run == 0 {
			set = c>>bit&1 != 0
		}
		if set {
			c = ^c
		}
		same := min(bits.TrailingZeros8(c>>bit), int(8-bit))
		run += int64(same)
		if same < int(8-bit) {
			break
		}
	}
	return set, min(run, n), nil
}

// Set sets n bits from i on, or clears them.
func (b Bits) Set(i, n int64, set bool) error {
	for n > 0 {
		bit := i % 8
		count := min(8-bit, n)
		mask := byte(0xff) << (8 - count) >> (8 - bit - count)
		c, err := b.byte(i / 8)
		if err != nil {
			return err
		}
		old := c
		if c &^= mask; set {
			c |= mask
		}
		if c != old {
			if b.High {
				c = bits.Reverse8(c)
			}
			if err := b.File.Write([]byte{c}, b.At+i/8); err != nil {
				return err
			}
		}
		i, n = i+count, n-count
	}
	return nil
}
