package luks

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

const (
	header1Size = 1024
	slots1      = 8
	active1     = 0x00ac71f3
	stripes     = 4000 // cryptsetup has never made another number of them
	digestSize  = 20
	saltSize    = 32
	maxKeySize  = 512 // bytes; the longest keys that the kernel has a use for are below 200
)

// readHeader1 reads a header of version 1. It refuses what cryptsetup refuses, all key
// slots included, used or not: their offsets are not trusted singly.
func readHeader1(b []byte, size int64) (*Header, error) {
	be := binary.BigEndian
	fail := func(format string, args ...any) (*Header, error) {
		return nil, fmt.Errorf("LUKS1 header: "+format, args...)
	}
	cipher := text(b[8:40]) + "-" + text(b[40:72])
	hash := strings.ToLower(text(b[72:104]))
	payload, keySize := int64(be.Uint32(b[104:]))*512, int64(be.Uint32(b[108:]))
	if newHash := hashes[hash]; newHash == nil || newHash().Size() < digestSize {
		return fail("the hash %q is not known", hash)
	}
	if !plainCipher(cipher) {
		return fail("the cipher %q is no cipher's name", cipher)
	}
	if keySize < 1 || keySize > maxKeySize {
		return fail("a key of %d bytes", keySize)
	}
	h := &Header{
		Version: 1, UUID: text(b[168:208]), Cipher: cipher, KeySize: int(keySize),
		Digests: []Digest{{
			Type: "pbkdf2", Hash: hash, Iterations: int64(be.Uint32(b[164:])), Salt: slices.Clone(b[132:164]),
			Digest: slices.Clone(b[112:132]), Segments: []int{0},
		}},
		Segments: []Segment{{Type: "crypt", Offset: payload, Size: -1, Encryption: cipher, SectorSize: 512}},
	}
	length := (keySize*stripes + 511) / 512 * 512
	var areas []extent
	for id := range slots1 {
		s := b[208+48*id:][:48]
		offset := int64(be.Uint32(s[40:])) * 512
		areas = append(areas, extent{fmt.Sprint("key slot ", id), offset, length})
		if n := be.Uint32(s[44:]); n != stripes {
			return fail("key slot %d has %d stripes", id, n)
		}
		if payload != 0 && offset+length > payload {
			return fail("key slot %d reaches into the data", id)
		}
		if be.Uint32(s) != active1 {
			continue
		}
		h.Digests[0].Keyslots = append(h.Digests[0].Keyslots, id)
		h.Keyslots = append(h.Keyslots, Keyslot{
			ID: id, Type: "luks1", KeySize: int(keySize), Priority: Normal,
			AF:   AF{Stripes: stripes, Hash: hash},
			Area: Area{Type: "raw", Offset: offset, Size: length, Encryption: cipher, KeySize: int(keySize)},
			KDF:  KDF{Type: "pbkdf2", Hash: hash, Iterations: int64(be.Uint32(s[4:])), Salt: slices.Clone(s[8:40])},
		})
	}
	if err := checkExtents(areas, header1Size, size); err != nil {
		return fail("%w", err)
	}
	return h, nil
}
