package luks

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// merge undoes the anti-forensic split of a key: all stripes but the last are mixed and
// diffused, so that each bit of the key depends on each of the area. The caller is to wipe
// the result.
func merge(area []byte, size, stripes int, newHash func() hash.Hash) []byte {
	key := make([]byte, size)
	h := newHash()
	for i := range stripes {
		subtle.XORBytes(key, key, area[i*size:][:size])
		if i < stripes-1 {
			diffuse(key, h)
		}
	}
	return key
}

// diffuse replaces each block of d, of the length of the hash, by the hash of its number and
// itself.
func diffuse(d []byte, h hash.Hash) {
	var number [4]byte
	sum := make([]byte, 0, h.Size())
	for i := 0; i*h.Size() < len(d); i++ {
		block := d[i*h.Size() : min((i+1)*h.Size(), len(d))]
		binary.BigEndian.PutUint32(number[:], uint32(i))
		h.Reset()
		h.Write(number[:])
		h.Write(block)
		sum = h.Sum(sum[:0])
		copy(block, sum)
	}
	clear(sum)
}

// split is the reverse of merge: area has random bytes, of which the last stripe is replaced
// by what makes the key of all of them.
func split(area, key []byte, newHash func() hash.Hash) {
	size := len(key)
	mixed := make([]byte, size)
	defer clear(mixed)
	h := newHash()
	last := len(area) - size
	for off := 0; off < last; off += size {
		subtle.XORBytes(mixed, mixed, area[off:][:size])
		diffuse(mixed, h)
	}
	subtle.XORBytes(area[last:], mixed, key)
}
