package btrfsreceive

import (
	"encoding/binary"
	"errors"
)

// errLZO is the error of data that is not what fs/btrfs/lzo.c of the kernel writes.
var errLZO = errors.New("the data is not compressed by LZO")

// unlzo decompresses an extent: its length and that of each block, in 4 bytes, which never
// cross the end of a block of the compressed data.
func unlzo(plain, data []byte, block int) error {
	if len(data) < 4 {
		return errLZO
	}
	total := int(binary.LittleEndian.Uint32(data))
	if total < 4 || total > len(data) {
		return errLZO
	}
	for at := 4; at < total && len(plain) > 0; {
		if room := block - at%block; room < 4 {
			at += room
		}
		if at+4 > total {
			return errLZO
		}
		size := int(binary.LittleEndian.Uint32(data[at:]))
		if at += 4; size < 0 || size > total-at {
			return errLZO
		}
		n, err := lzo1x(plain[:min(block, len(plain))], data[at:at+size])
		if err != nil {
			return err
		}
		plain, at = plain[n:], at+size
	}
	return nil
}

// An lzoState is a decompression by LZO1X, as Documentation/staging/lzo.rst of the kernel
// describes it.
type lzoState struct {
	in, out []byte
	n       int // of out that is there
}

// lzo1x decompresses a block, and returns its length.
func lzo1x(out, in []byte) (int, error) {
	s := lzoState{in: in, out: out}
	err := s.run()
	return s.n, err
}

func (s *lzoState) byte() (int, error) {
	if len(s.in) == 0 {
		return 0, errLZO
	}
	b := s.in[0]
	s.in = s.in[1:]
	return int(b), nil
}

// literals copies bytes from the input.
func (s *lzoState) literals(n int) error {
	if n > len(s.in) || n > len(s.out)-s.n {
		return errLZO
	}
	s.n += copy(s.out[s.n:], s.in[:n])
	s.in = s.in[n:]
	return nil
}

// match copies bytes of the output, which may overlap with what they become.
func (s *lzoState) match(distance, n int) error {
	if distance > s.n || n > len(s.out)-s.n {
		return errLZO
	}
	for range n {
		s.out[s.n] = s.out[s.n-distance]
		s.n++
	}
	return nil
}

// length reads a length that is longer than the bits for it.
func (s *lzoState) length(bits int) (int, error) {
	n := bits
	for {
		b, err := s.byte()
		if err != nil || n > len(s.out) {
			return 0, errLZO
		}
		if b != 0 {
			return n + b, nil
		}
		n += 255
	}
}

func (s *lzoState) run() error {
	op, err := s.byte()
	if err != nil {
		return err
	}
	state := 0 // how many literals came before: 4 means more than 3
	if op > 17 {
		n := op - 17
		if err := s.literals(n); err != nil {
			return err
		}
		state = min(n, 4)
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
			bits, base := 31, 0
			if op < 32 {
				bits, base = 7, 0x4000+op&8<<11
			}
			if n = op & bits; n == 0 {
				if n, err = s.length(bits); err != nil {
					return err
				}
			}
			n += 2
			if len(s.in) < 2 {
				return errLZO
			}
			low := int(binary.LittleEndian.Uint16(s.in))
			s.in = s.in[2:]
			distance, follow = base+low>>2, low&3
			if op >= 32 {
				distance++
			} else if distance == 0x4000 {
				return nil // the end
			}
		case state == 0: // literals
			n := op
			if n == 0 {
				if n, err = s.length(15); err != nil {
					return err
				}
			}
			if err := s.literals(n + 3); err != nil {
				return err
			}
			state = 4
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
			if state == 4 {
				n, distance = 3, distance+0x800
			}
		}
		if err := s.match(distance, n); err != nil {
			return err
		}
		if err := s.literals(follow); err != nil {
			return err
		}
		state = follow
		if op, err = s.byte(); err != nil {
			return err
		}
	}
}
