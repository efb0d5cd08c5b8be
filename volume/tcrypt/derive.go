package tcrypt

import (
	"context"
	"strings"

	"github.com/unboot/unboot/volume/internal/argon2"
	"github.com/unboot/unboot/volume/internal/hashfunc"
	"github.com/unboot/unboot/volume/internal/pbkdf2"
)

// argon is what is no hash function.
const argon = "argon2id"

// A derivation is a way from a password to the key of a header. Nothing says which it
// was: all are tried.
type derivation struct {
	name       string // of the hash function, or "argon2id"
	veraCrypt  bool
	iterations int64
	// With a PIM, iterations are base + factor * PIM.
	base, factor int64
}

// derivations are those of both programs: the fast ones first. What is said of "boot" is for
// encrypted systems, whose boot loader is slow.
var derivations = []derivation{
	{name: "ripemd160", iterations: 2000},
	{name: "ripemd160", iterations: 1000}, // boot
	{name: "sha512", iterations: 1000},
	{name: "whirlpool", iterations: 1000},
	{name: "sha1", iterations: 2000}, // up to TrueCrypt 4
	{name: "sha512", veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "sha256", veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "sha256", veraCrypt: true, iterations: 200000, factor: 2048}, // boot
	{name: "blake2s-256", veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "blake2s-256", veraCrypt: true, iterations: 200000, factor: 2048}, // boot
	{name: "whirlpool", veraCrypt: true, iterations: 500000, base: 15000, factor: 1000},
	{name: "ripemd160", veraCrypt: true, iterations: 655331, base: 15000, factor: 1000},
	{name: "ripemd160", veraCrypt: true, iterations: 327661, factor: 2048}, // boot
	{name: argon, veraCrypt: true},
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
	if d.name == argon {
		passes, memory := argonCost(pim)
		return argon2.Key(ctx, argon2.Params{ID: true, Passes: passes, Memory: memory, Threads: 1}, password, salt, keysMax)
	}
	n := d.iterations
	if pim > 0 {
		n = d.base + d.factor*pim
	}
	return pbkdf2.Key(ctx, hashfunc.ByName[d.name], password, salt, n, keysMax)
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
