// Package hashfunc has the hash functions that metadata and users name.
package hashfunc

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/blake2s"
	"golang.org/x/crypto/ripemd160"

	"github.com/unboot/unboot/volume/internal/whirlpool"
)

// ByName has the functions by the names that libgcrypt and OpenSSL have for them, and
// cryptsetup(8) with them.
var ByName = map[string]func() hash.Hash{
	"sha1":        sha1.New,
	"sha224":      sha256.New224,
	"sha256":      sha256.New,
	"sha384":      sha512.New384,
	"sha512":      sha512.New,
	"sha3-224":    func() hash.Hash { return sha3.New224() },
	"sha3-256":    func() hash.Hash { return sha3.New256() },
	"sha3-384":    func() hash.Hash { return sha3.New384() },
	"sha3-512":    func() hash.Hash { return sha3.New512() },
	"ripemd160":   ripemd160.New,
	"whirlpool":   whirlpool.New,
	"blake2b-160": blake2bOf(20),
	"blake2b-256": blake2bOf(32),
	"blake2b-384": blake2bOf(48),
	"blake2b-512": blake2bOf(64),
	"blake2s-256": func() hash.Hash { return must(blake2s.New256(nil)) },
}

func blake2bOf(size int) func() hash.Hash {
	return func() hash.Hash { return must(blake2b.New(size, nil)) }
}

// must is for sizes that are right: only a key can be wrong, and there is none.
func must(h hash.Hash, err error) hash.Hash {
	if err != nil {
		panic(err)
	}
	return h
}
