package verity

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"math/bits"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/hashfunc"
)

// A tree is the tree of hashes on a device.
type tree struct {
	s      *Superblock
	m      *volume.Member
	new    func() hash.Hash
	digest int64   // the size of a hash
	stride int64   // from one to the next
	bits   int     // a block has 1<<bits hashes
	levels []int64 // where each begins, in hash blocks; the first has the hashes of the data
	root   []byte  // what the topmost block hashes to
}

// tree finds out where the levels are, and what the root is.
func (s *Superblock) tree(m *volume.Member) (*tree, error) {
	t := &tree{s: s, m: m, new: hashfunc.ByName[s.Algorithm]}
	if t.new == nil {
		return nil, fmt.Errorf("dm-verity with the hash %q, which is not known here", s.Algorithm)
	}
	t.digest = int64(t.new().Size())
	t.stride = t.digest
	if s.HashType == 1 {
		t.stride = 1 << bits.Len64(uint64(t.digest-1))
	}
	// Type 0 has no padding between hashes, and counts as if it had.
	t.bits = bits.Len64(uint64(s.HashBlockSize/t.digest)) - 1
	if t.bits < 1 {
		return nil, fmt.Errorf("dm-verity with blocks of %d bytes for hashes of %d", s.HashBlockSize, t.digest)
	}
	if s.DataBlocks == 1 {
		return nil, errors.New("dm-verity for a single block: there is no tree")
	}
	depth := 0
	for depth*t.bits < 64 && uint64(s.DataBlocks-1)>>(depth*t.bits) != 0 {
		depth++
	}
	t.levels = make([]int64, depth)
	pos, end := s.HashStart, m.Size/s.HashBlockSize
	for i := depth - 1; i >= 0; i-- {
		t.levels[i] = pos
		pos += (s.DataBlocks-1)>>((i+1)*t.bits) + 1
		if pos > end || pos < 0 {
			return nil, fmt.Errorf("the tree of hashes for %d blocks reaches past the end of %s", s.DataBlocks, m.Name)
		}
	}
	b := make([]byte, s.HashBlockSize)
	if n, err := m.R.ReadAt(b, s.HashStart*s.HashBlockSize); n < len(b) {
		return nil, fmt.Errorf("reading the root of the hashes: %w", err)
	}
	t.root = t.hash(b)
	return t, nil
}

// hash returns the hash of a block.
func (t *tree) hash(b []byte) []byte {
	h := t.new()
	if t.s.HashType == 1 {
		h.Write(t.s.Salt)
	}
	h.Write(b)
	if t.s.HashType == 0 {
		h.Write(t.s.Salt)
	}
	return h.Sum(nil)
}

// leaf returns the hash that the tree has for a block of the data.
func (t *tree) leaf(block int64) []byte {
	b := make([]byte, t.digest)
	off := (t.levels[0]+block>>t.bits)*t.s.HashBlockSize + block&(1<<t.bits-1)*t.stride
	if n, _ := t.m.R.ReadAt(b, off); n < len(b) {
		return nil
	}
	return b
}

// findData returns the devices that have the data: the one of them that the Discoverable
// Partitions Specification would have comes first.
func (t *tree) findData(members []*volume.Member) []*volume.Member {
	var list []*volume.Member
	for _, m := range members {
		size := m.Size
		if m == t.m {
			size = m.Offset
		}
		if size < t.s.DataBlocks*t.s.DataBlockSize || m.Info != nil && m.Info.Type == member {
			continue
		}
		if !t.matches(m, 0) || !t.matches(m, t.s.DataBlocks-1) {
			continue
		}
		list = append(list, m)
		if last := len(list) - 1; t.discover(t.m, m) != nil {
			list[0], list[last] = list[last], list[0]
		}
	}
	return list
}

// matches reports whether a block of a device has the hash that the tree has for it.
func (t *tree) matches(m *volume.Member, block int64) bool {
	b := make([]byte, t.s.DataBlockSize)
	if n, _ := m.R.ReadAt(b, block*t.s.DataBlockSize); n < len(b) {
		return false
	}
	return bytes.Equal(t.hash(b), t.leaf(block))
}
