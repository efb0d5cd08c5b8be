package lzop

import (
	"bytes"
	"fmt"
	"io"

	"github.com/unboot/unboot/internal/compression/lzo"
)

// A Block is what a file says of one before it has it.
type Block struct {
	// Size is that of what is in the block, and Packed that of what the file has of it, in
	// bytes. A block of no size is the end of a member.
	Size, Packed int
	sums         []sum
}

// A sum is a checksum that a block has.
type sum struct {
	checksum
	packed bool // it is of what the file has
	want   uint32
}

// ReadBlock reads what there is before a block.
func (h *Header) ReadBlock(r io.Reader) (*Block, error) {
	var b [4]byte
	number := func() (uint32, error) {
		err := readFull(r, b[:], "what is before a block")
		return be.Uint32(b[:]), err
	}
	size, err := number()
	if err != nil || size == 0 {
		return &Block{}, err
	}
	packed, err := number()
	if err != nil {
		return nil, err
	}
	if size > MaxBlock || packed == 0 || packed > size || uint64(size) > lzo.MaxRatio*uint64(packed) {
		return nil, corrupt("it has a block of %d bytes that %d bytes are to become", size, packed)
	}
	k := &Block{Size: int(size), Packed: int(packed)}
	for _, c := range checksums {
		if h.Flags&c.plain != 0 {
			k.sums = append(k.sums, sum{checksum: c})
		}
	}
	for _, c := range checksums {
		if h.Flags&c.pack != 0 && packed < size {
			k.sums = append(k.sums, sum{checksum: c, packed: true})
		}
	}
	for i := range k.sums {
		if k.sums[i].want, err = number(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Read reads the block itself, and returns what is in it.
func (k *Block) Read(r io.Reader) ([]byte, error) {
	// What was cut off takes no memory.
	var in bytes.Buffer
	if _, err := io.CopyN(&in, r, int64(k.Packed)); err == io.EOF {
		return nil, corrupt("it is cut off in a block")
	} else if err != nil {
		return nil, err
	}
	packed := in.Bytes()
	if err := k.verify(packed, true); err != nil {
		return nil, err
	}
	out := packed // stored, as it does not get smaller
	if k.Packed < k.Size {
		out = make([]byte, k.Size)
		switch n, err := lzo.Decompress(out, packed); {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		case n != k.Size:
			return nil, corrupt("a block has %d bytes, not %d", n, k.Size)
		}
	}
	return out, k.verify(out, false)
}

// verify compares with the checksums of what is in the block, or of what the file has of it.
func (k *Block) verify(b []byte, packed bool) error {
	for _, s := range k.sums {
		if s.packed != packed {
			continue
		}
		h := s.new()
		h.Write(b)
		if got := h.Sum32(); got != s.want {
			return fmt.Errorf("%w: the %s of a block is %#08x, not %#08x", ErrChecksum, s.name, got, s.want)
		}
	}
	return nil
}
