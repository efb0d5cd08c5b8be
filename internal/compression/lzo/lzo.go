// Package lzo decompresses LZO1X, as Documentation/staging/lzo.rst of the kernel describes it,
// from one slice of bytes into another. (Version 0 of it; the runs of zeros that zram has are not
// known.)
package lzo

import (
	"encoding/binary"
	"errors"
)

// ErrCorrupt is returned for what is not LZO1X, was cut off, or does not fit.
var ErrCorrupt = errors.New("corrupt LZO stream")

// MaxRatio is how many bytes one compressed byte may become, at most.
const MaxRatio = 255

// A state is a decompression.
type state struct {
	in, out []byte
	at, n   int // of in that was read, and of out that is there
}

// Decompress decompresses a stream, which is all of src, into dst, and returns how many bytes it
// has.
func Decompress(dst, src []byte) (int, error) {
	s := state{in: src, out: dst}
	err := s.run()
	if err == nil && s.at < len(src) {
		err = ErrCorrupt
	}
	return s.n, err
}

func (s *state) byte() (int, error) {
	if s.at >= len(s.in) {
		return 0, ErrCorrupt
	}
	s.at++
	return int(s.in[s.at-1]), nil
}

// literals copies bytes from the input.
func (s *state) literals(n int) error {
	if n > len(s.in)-s.at || n > len(s.out)-s.n {
		return ErrCorrupt
	}
	if n < 4 {
		for i := range n {
			s.out[s.n+i] = s.in[s.at+i]
		}
	} else {
		copy(s.out[s.n:], s.in[s.at:s.at+n])
	}
	s.n += n
	s.at += n
	return nil
}

// match copies bytes of the output, which may overlap with what they become.
func (s *state) match(distance, n int) error {
	if distance > s.n || n > len(s.out)-s.n {
		return ErrCorrupt
	}
	from := s.n - distance
	if n < 16 {
		for i := range n {
			s.out[s.n+i] = s.out[from+i]
		}
		s.n += n
		return nil
	}
	for end := s.n + n; s.n < end; { // what there is doubles
		s.n += copy(s.out[s.n:end], s.out[from:s.n])
	}
	return nil
}

// length reads a length that is longer than the bits for it.
func (s *state) length(bits int) (int, error) {
	n := bits
	for {
		b, err := s.byte()
		if err != nil || n > len(s.out) {
			return 0, ErrCorrupt
		}
		if b != 0 {
			return n + b, nil
		}
		n += 255
	}
}

func (s *state) run() error {
	op, err := s.byte()
	if err != nil {
		return err
	}
	literals := 0 // how many came before: 4 means more than 3
	if op > 17 {
		n := op - 17
		if err := s.literals(n); err != nil {
			return err
		}
		literals = min(n, 4)
		if op, err = s.byte(); err != nil {
			return err
		}
	}
	for {
		var n, distance, follow int
		switch {
		case op >= 64: // a short match within 2 KiB
			b, err := s.byte()
			if err != nil {
				return err
			}
			n, distance, follow = 1+op>>5, 1+b<<3+op>>2&7, op&3
		case op >= 16:
			bits, base := 31, 1
			if op < 32 {
				bits, base = 7, 0x4000+op&8<<11
			}
			if n = op & bits; n == 0 {
				if n, err = s.length(bits); err != nil {
					return err
				}
			}
			n += 2
			if len(s.in)-s.at < 2 {
				return ErrCorrupt
			}
			low := int(binary.LittleEndian.Uint16(s.in[s.at:]))
			s.at += 2
			distance, follow = base+low>>2, low&3
			if op < 32 && distance == 0x4000 {
				return nil // the end
			}
		case literals == 0:
			n := op
			if n == 0 {
				if n, err = s.length(15); err != nil {
					return err
				}
			}
			if err := s.literals(n + 3); err != nil {
				return err
			}
			literals = 4
			if op, err = s.byte(); err != nil {
				return err
			}
			continue
		default: // a match of two or three bytes after literals
			b, err := s.byte()
			if err != nil {
				return err
			}
			n, distance, follow = 2, 1+b<<2+op>>2, op&3
			if literals == 4 {
				n, distance = 3, distance+0x800
			}
		}
		if err := s.match(distance, n); err != nil {
			return err
		}
		if err := s.literals(follow); err != nil {
			return err
		}
		literals = follow
		if op, err = s.byte(); err != nil {
			return err
		}
	}
}
