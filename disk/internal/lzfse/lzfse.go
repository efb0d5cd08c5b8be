// Package lzfse decompresses Apple's LZFSE and LZVN.
//
// It follows the layout that Apple's reference implementation, lzfse/lzfse, has in its
// headers: a stream is blocks, each with a magic number: stored, of LZVN, or of matches and
// literals that are coded by finite state entropy. Blocks whose tables are not compressed
// ("bvx1"), which nothing writes, are refused.
package lzfse

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrDamaged is wrapped by the errors of a stream that cannot be.
var ErrDamaged = errors.New("damaged LZFSE stream")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

var le = binary.LittleEndian

const (
	magicEnd        = "bvx$"
	magicStored     = "bvx-"
	magicLZVN       = "bvxn"
	magicCompressed = "bvx2"
)

// Decode decompresses what fits into p, and returns how much that is. A stream that has
// more is not an error.
func Decode(p, in []byte) (int, error) {
	out := p[:0]
	for at := 0; len(out) < len(p); {
		if len(in)-at < 4 {
			return len(out), damaged("it ends at %d without a mark", at)
		}
		block := in[at:]
		switch magic := string(block[:4]); magic {
		case magicEnd:
			return len(out), nil
		case magicStored:
			if len(block) < 8 || uint64(le.Uint32(block[4:])) > uint64(len(block)-8) {
				return len(out), damaged("the block at %d is cut off", at)
			}
			n := int(le.Uint32(block[4:]))
			out = append(out, block[8:][:min(n, len(p)-len(out))]...)
			at += 8 + n
		case magicLZVN:
			if len(block) < 12 || uint64(le.Uint32(block[8:])) > uint64(len(block)-12) {
				return len(out), damaged("the block at %d is cut off", at)
			}
			raw, n := int(le.Uint32(block[4:])), int(le.Uint32(block[8:]))
			var err error
			if out, err = lzvn(out, min(raw, len(p)-len(out)), block[12:12+n]); err != nil {
				return len(out), fmt.Errorf("the block at %d: %w", at, err)
			}
			at += 12 + n
		case magicCompressed:
			n := 0
			var err error
			if out, n, err = decodeBlock(out, len(p), block); err != nil {
				return len(out), fmt.Errorf("the block at %d: %w", at, err)
			}
			at += n
		default:
			return len(out), damaged("the block at %d begins with %q", at, magic)
		}
	}
	return len(out), nil
}

// match appends n bytes that are d bytes back, up to a length of limit.
func match(out []byte, n, d, limit int) ([]byte, error) {
	if d <= 0 || d > len(out) {
		return out, damaged("a match is %d bytes back, of %d", d, len(out))
	}
	n = min(n, limit-len(out))
	for n > 0 {
		// What is copied may overlap with what it is copied to.
		piece := out[len(out)-d:]
		piece = piece[:min(n, len(piece))]
		out = append(out, piece...)
		n -= len(piece)
	}
	return out, nil
}
