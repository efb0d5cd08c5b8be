package tcrypt

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2s"
	"golang.org/x/crypto/ripemd160"

	"github.com/unboot/unboot/volume/internal/pbkdf2"
	"github.com/unboot/unboot/volume/internal/whirlpool"
)

// A derivation is a way from a password to the key of a header. Nothing says which it
// was: all are tried.
type derivation struct {
	name       string
	hash       func() hash.Hash // nil is Argon2id
	veraCrypt  bool
	iterations int64
	// With a PIM, iterations are base + factor * PIM.
	base, factor int64
}

// derivations are those of both programs: the fast ones first. What is said of "boot" is for
// encrypted systems, whose boot loader is slow.
var derivations = []derivation{
	{name: "ripemd160", hash: ripemd160.New, iterations: 2000},
	{name: "ripemd160", hash: ripemd160.New, iterations: 1000}, // boot
	{name: "sha512", hash: sha512.New, iterations: 1000},
	{name: "whirlpool", hash: whirlpool.New, iterations: 1000},
	{name: "sha1", hash: sha1.New, iterations: 2000}, // up to TrueCrypt 4
	{name: "sha512", hash: sha512.New, veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "sha256", hash: sha256.New, veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "sha256", hash: sha256.New, veraCrypt: true, iterations: 200000, factor: 2048}, // boot
	{name: "blake2s-256", hash: newBlake2s, veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "blake2s-256", hash: newBlake2s, veraCrypt: true, iterations: 200000, factor: 2048}, // boot
	{name: "whirlpool", hash: whirlpool.New, veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "ripemd160", hash: ripemd160.New, veraCrypt: true, iterations: 655331, base: 15000, factor: 1000},
	{name: "ripemd160", hash: ripemd160.New, veraCrypt: true, iterations: 327661, factor: 2048}, // boot
	{name: "argon2id", veraCrypt: true},
}

func newBlake2s() hash.Hash {
	h, err := blake2s.New256(nil)
	if err != nil {
		panic(err) // only a key could be wrong, and there is none
	}
	return h
}

// fits reports whether the options leave a derivation to be tried.
func (d *derivation) fits(o options, password int) bool {
	switch {
	case o.hash != "" && !strings.Contains(d.name, o.hash):
		return false
	case !d.veraCrypt:
		return o.pim == 0 && password <= passwordMaxTrueCrypt
	}
	return !o.trueCrypt && password <= passwordMaxVeraCrypt
}

// key derives the key of a header.
func (d *derivation) key(ctx context.Context, password, salt []byte, pim int64) ([]byte, error) {
	if d.hash == nil {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		passes, memory := argonCost(pim)
		return argon2.IDKey(password, salt, passes, memory, 1, keysMax), nil
	}
	n := d.iterations
	if pim > 0 {
		n = d.base + d.factor*pim
	}
	return pbkdf2.Key(ctx, d.hash, password, salt, n, keysMax)
}

// argonCost returns the passes and the memory in KiB that VeraCrypt has Argon2id take.
// They are what the key says, not the image.
func argonCost(pim int64) (passes, memory uint32) {
	switch {
	case pim == 0:
		pim = 12
	case pim > 31:
		return uint32(13 + pim - 31), 1 << 20
	}
	return uint32(3 + (pim-1)/3), uint32(64+(pim-1)*32) << 10
}
