package luks

import (
	"context"
	"fmt"

	"github.com/unboot/unboot/volume/internal/argon2"
	"github.com/unboot/unboot/volume/internal/pbkdf2"
)

// Bounds on what a header can make a key derivation use. What cryptsetup chooses by itself
// is below them: it takes what two seconds allow, and at most 1 GiB of memory.
const (
	// MaxMemory is the most memory that Argon2 may take, in KiB.
	MaxMemory = 1 << 20
	// MaxPasses is the most memory that all passes of Argon2 together may go through, in
	// KiB: half a minute's work.
	MaxPasses = 32 << 20
	// MaxIterations is the most that PBKDF2 may iterate: half a minute's work.
	MaxIterations = 100_000_000
	// MaxWork is how much the slots that one key is tried on may cost together, in parts of
	// the bounds above: four minutes' work. Those that cryptsetup makes cost up to a quarter
	// of one.
	MaxWork = 8
	// maxThreads is four times what cryptsetup uses.
	maxThreads = 16
)

// check returns an error if the derivation cannot be done.
func (k *KDF) check(unbounded bool) error {
	switch k.Type {
	case "pbkdf2":
		switch {
		case hashes[k.Hash] == nil:
			return fmt.Errorf("the hash %q is not known", k.Hash)
		case k.Iterations < 1:
			return fmt.Errorf("%d iterations", k.Iterations)
		case k.Iterations > MaxIterations && !unbounded:
			return fmt.Errorf("it asks for %d iterations, more than %d", k.Iterations, MaxIterations)
		}
	case "argon2i", "argon2id":
		switch {
		case k.Time < 1 || k.CPUs < 1 || k.CPUs > 255 || k.Memory < 8*k.CPUs:
			return fmt.Errorf("parameters that Argon2 does not have: %d passes, %d KiB, %d threads", k.Time, k.Memory, k.CPUs)
		case unbounded:
		case k.Memory > MaxMemory:
			return fmt.Errorf("it asks for %s of memory, more than %s", kib(k.Memory), kib(MaxMemory))
		case k.Time > MaxPasses/k.Memory:
			return fmt.Errorf("it asks for %d passes over %s of memory, more than half a minute's work", k.Time, kib(k.Memory))
		case k.CPUs > maxThreads:
			return fmt.Errorf("it asks for %d threads, more than %d", k.CPUs, maxThreads)
		}
	default:
		return fmt.Errorf("the key derivation %q is not known", k.Type)
	}
	return nil
}

// derive derives a key of size bytes, which the caller is to wipe.
//
// Preconditions: check returned nil.
func (k *KDF) derive(ctx context.Context, secret []byte, size int) ([]byte, error) {
	if k.Type == "pbkdf2" {
		return pbkdf2.Key(ctx, hashes[k.Hash], secret, k.Salt, k.Iterations, size)
	}
	p := argon2.Params{ID: k.Type == "argon2id", Passes: uint32(k.Time), Memory: uint32(k.Memory), Threads: uint8(k.CPUs)}
	return argon2.Key(ctx, p, secret, k.Salt, uint32(size))
}

// work returns what a derivation costs, in parts of what one may cost.
//
// Preconditions: check returned nil.
func (k *KDF) work(size int) float64 {
	if k.Type == "pbkdf2" {
		length := hashes[k.Hash]().Size()
		return float64(k.Iterations) * float64((size+length-1)/length) / MaxIterations
	}
	return float64(k.Memory) * float64(k.Time) / MaxPasses
}

// words describes the derivation.
func (k *KDF) words() string {
	switch k.Type {
	case "pbkdf2":
		return fmt.Sprintf("PBKDF2-%s, %d iterations", k.Hash, k.Iterations)
	case "argon2i", "argon2id":
		return fmt.Sprintf("%s, %s, %s", k.Type, kib(k.Memory), plural(k.Time, "pass", "passes"))
	}
	return k.Type
}

// kib writes a number of KiB with the largest unit in which it is whole.
func kib(n int64) string {
	for _, unit := range []string{"KiB", "MiB"} {
		if n == 0 || n%1024 != 0 {
			return fmt.Sprint(n, " ", unit)
		}
		n /= 1024
	}
	return fmt.Sprint(n, " GiB")
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
