package integrity

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"

	"github.com/unboot/unboot/volume"
)

// An algorithm is a checksum that the kernel knows.
type algorithm struct {
	name string
	new  func() hash.Hash
	size int
}

var plain = []algorithm{
	{"crc32c", func() hash.Hash { return &kernelCRC{table: crc32.MakeTable(crc32.Castagnoli), inverted: ^uint32(0)} }, 4},
	{"crc32", func() hash.Hash { return &kernelCRC{table: crc32.IEEETable} }, 4},
	{"sha1", sha1.New, sha1.Size},
	{"sha256", sha256.New, sha256.Size},
	{"sha512", sha512.New, sha512.Size},
}

var hmacs = []algorithm{
	{"hmac(sha256)", sha256.New, sha256.Size},
	{"hmac(sha1)", sha1.New, sha1.Size},
	{"hmac(sha512)", sha512.New, sha512.Size},
}

// defaults are by their sizes what cannot be told apart, or not be computed here.
var defaults = map[int]string{4: "crc32c", 8: "xxhash64"}

func (a algorithm) keyed(key []byte) algorithm {
	a.new = func(n func() hash.Hash) func() hash.Hash {
		return func() hash.Hash { return hmac.New(n, key) }
	}(a.new)
	return a
}

// tries is how many blocks are looked at. Those that were never written, or are in the
// journal only, may not have the checksum that belongs to them.
const tries = 16

// detect returns the checksum without a key that the first blocks have, or the default for
// its size, or "" if there may be a key.
func (s *Superblock) detect(m *volume.Member) string {
	for _, a := range plain {
		if s.fits(m, a) {
			return a.name
		}
	}
	return defaults[s.TagSize]
}

// fits reports whether one of the first blocks has a checksum.
func (s *Superblock) fits(m *volume.Member, a algorithm) bool {
	if a.size < s.TagSize {
		return false
	}
	data, tag := make([]byte, s.BlockSize), make([]byte, s.TagSize)
	for i := range int64(tries) {
		pos := i * s.BlockSize
		if pos >= s.Size || pos >= s.Interleave || s.Recalculating && pos >= s.Recalculated {
			break
		}
		n, _ := m.R.ReadAt(data, s.data+pos)
		k, _ := m.R.ReadAt(tag, s.tags+i*int64(s.TagSize))
		if n < len(data) || k < len(tag) {
			break
		}
		h := a.new()
		if s.FixedHMAC {
			h.Write(s.salt)
		}
		h.Write(le.AppendUint64(nil, uint64(pos/volume.SectorSize)))
		h.Write(data)
		if hmac.Equal(h.Sum(nil)[:s.TagSize], tag) {
			return true
		}
	}
	return false
}

// A kernelCRC is a CRC as the kernel's hashes have it: the least significant byte comes
// first, and of the one that is called crc32 neither the start nor the result is inverted.
type kernelCRC struct {
	table    *crc32.Table
	inverted uint32 // all bits, or none
	register uint32 // without what it starts with
}

func (c *kernelCRC) Write(b []byte) (int, error) {
	// Package crc32 inverts what it is given, and what it returns.
	register := ^crc32.Update(^(c.register ^ c.inverted), c.table, b)
	c.register = register ^ c.inverted
	return len(b), nil
}

func (c *kernelCRC) Sum(b []byte) []byte { return le.AppendUint32(b, c.register) }
func (c *kernelCRC) Reset()              { c.register = 0 }
func (c *kernelCRC) Size() int           { return crc32.Size }
func (c *kernelCRC) BlockSize() int      { return 1 }
