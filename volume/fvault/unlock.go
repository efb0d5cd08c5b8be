package fvault

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/pbkdf2"
)

// iterationsMax bounds the time that a passphrase may take: some ten seconds. What Apple
// writes is made to take a tenth of one.
const iterationsMax = 50_000_000

// unlock looks for the key of the data.
func (meta *metadata) unlock(ctx context.Context, m *volume.Member, env *volume.Env) ([]byte, *volume.Lock) {
	lock := &volume.Lock{Format: "FileVault 2", Slots: []volume.KeySlot{{
		ID: "0", Kind: volume.Passphrase, Descr: fmt.Sprintf("pbkdf2-sha256, %d iterations", meta.Iterations),
	}}}
	if meta.Iterations == 0 || meta.Iterations > iterationsMax && !env.Unbounded {
		lock.Err = fmt.Errorf("a passphrase would take %d iterations, not 1 to %d", meta.Iterations, iterationsMax)
		return nil, lock
	}
	if env.Keys == nil {
		return nil, lock
	}
	for k, err := range env.Keys.Keys(m, lock) {
		if err != nil {
			lock.Err = err
			break
		}
		var key []byte
		switch {
		case k.Kind == volume.VolumeKey && len(k.Secret) == 32:
			if bytes.Equal(k.Secret[16:], meta.tweak(k.Secret[:16])) {
				key = bytes.Clone(k.Secret)
			}
		case k.Kind == volume.Passphrase:
			key, err = meta.derive(ctx, k.Secret)
		}
		k.Wipe()
		if key != nil {
			return key, nil
		}
		if lock.Err = err; err != nil {
			break
		}
		lock.Tried++
	}
	return nil, lock
}

// derive returns the key of the data if the passphrase fits.
func (meta *metadata) derive(ctx context.Context, passphrase []byte) ([]byte, error) {
	derived, err := pbkdf2.Key(ctx, sha256.New, passphrase, meta.salt, int64(meta.Iterations), 16)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	kek := unwrap(derived, meta.wrappedKEK)
	if kek == nil {
		return nil, nil
	}
	defer clear(kek)
	key := unwrap(kek, meta.wrappedKey)
	if key == nil {
		return nil, nil
	}
	defer clear(key)
	return append(append(make([]byte, 0, 32), key...), meta.tweak(key)...), nil
}

// tweak returns the second half of a key for XTS, which comes from the first.
func (meta *metadata) tweak(key []byte) []byte {
	h := sha256.New()
	h.Write(key)
	h.Write(meta.family[:])
	return h.Sum(nil)[:16]
}

// unwrap undoes the AES key wrap of NIST SP 800-38F (KW-AD) for a key of 16 bytes. It returns
// nil if the wrapping key does not fit.
func unwrap(wrapping, wrapped []byte) []byte {
	block, err := aes.NewCipher(wrapping)
	if err != nil {
		return nil
	}
	const halves = 2
	b := bytes.Clone(wrapped) // A, and then the halves
	var in [aes.BlockSize]byte
	defer clear(in[:])
	for step := uint64(6 * halves); step > 0; step-- {
		half := b[8+8*((step-1)%halves):][:8]
		binary.BigEndian.PutUint64(in[:], binary.BigEndian.Uint64(b)^step)
		copy(in[8:], half)
		block.Decrypt(in[:], in[:])
		copy(b, in[:8])
		copy(half, in[8:])
	}
	if subtle.ConstantTimeCompare(b[:8], bytes.Repeat([]byte{0xa6}, 8)) != 1 {
		clear(b)
		return nil
	}
	return b[8:]
}

// target returns the line of dm-crypt, as cryptsetup makes it.
func (meta *metadata) target(m *volume.Member, key []byte) volume.Target {
	return volume.Target{
		Length: meta.Size / volume.SectorSize, Type: "crypt",
		Params:  fmt.Sprintf("aes-xts-plain64 $ 0 @ %d", meta.Offset/volume.SectorSize),
		Devices: []volume.Base{m}, Key: key,
	}
}
