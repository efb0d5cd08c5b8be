package luks

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/pbkdf2"
)

// maxAttempts bounds the slots that are tried by one key.
const maxAttempts = 64

// ErrPassphrase says that a key does not fit.
var ErrPassphrase = errors.New("the passphrase does not fit")

// check returns an error if no passphrase can open a slot, whichever it is.
func (h *Header) check(k *Keyslot, unbounded bool) error {
	d := h.digest(k.ID)
	switch {
	case k.Type != "luks1" && k.Type != "luks2":
		return fmt.Errorf("its type %q is not known", k.Type)
	case d == nil || !slices.Contains(d.Segments, h.Segments[0].ID):
		return errors.New("it is not for the data")
	case k.KeySize < 1 || k.KeySize > maxKeySize || k.Area.KeySize < 1 || k.Area.KeySize > maxKeySize:
		return fmt.Errorf("keys of %d and %d bytes", k.KeySize, k.Area.KeySize)
	case k.AF.Stripes != stripes:
		return fmt.Errorf("it has %d stripes", k.AF.Stripes)
	case hashes[k.AF.Hash] == nil:
		return fmt.Errorf("the hash %q is not known", k.AF.Hash)
	case !plainCipher(k.Area.Encryption):
		return fmt.Errorf("the cipher %q is no cipher's name", k.Area.Encryption)
	case len(k.KDF.Salt) != saltSize:
		return fmt.Errorf("a salt of %d bytes", len(k.KDF.Salt))
	case int64(k.KeySize)*stripes > k.Area.Size:
		return errors.New("its area is too small for the key")
	}
	if err := d.check(unbounded); err != nil {
		return err
	}
	return k.KDF.check(unbounded)
}

// check returns an error if no key can be compared with the digest.
func (d *Digest) check(unbounded bool) error {
	kdf := KDF{Type: d.Type, Hash: d.Hash, Iterations: d.Iterations}
	switch {
	case d.Type != "pbkdf2":
		return fmt.Errorf("the digest %q is not known", d.Type)
	case len(d.Salt) != saltSize || len(d.Digest) < digestSize || len(d.Digest) > 64:
		return fmt.Errorf("a digest of %d bytes with a salt of %d", len(d.Digest), len(d.Salt))
	}
	return kdf.check(unbounded)
}

// fits reports whether a volume key is the right one.
func (d *Digest) fits(ctx context.Context, key []byte) (bool, error) {
	sum, err := pbkdf2.Key(ctx, hashes[d.Hash], key, d.Salt, d.Iterations, len(d.Digest))
	return err == nil && subtle.ConstantTimeCompare(sum, d.Digest) == 1, err
}

// work returns what it costs to try a key on a slot, in parts of what one may cost.
//
// Preconditions: check returned nil.
func (h *Header) work(k *Keyslot) float64 {
	d := h.digest(k.ID)
	digest := KDF{Type: d.Type, Hash: d.Hash, Iterations: d.Iterations}
	return k.KDF.work(k.Area.KeySize) + digest.work(len(d.Digest))
}

// affordable returns the slots of a list that one key can be tried on, one after the other:
// those that can be opened at all, as long as the work is not too much.
func (h *Header) affordable(list []*Keyslot, unbounded bool) (out []*Keyslot) {
	left := float64(MaxWork)
	for _, k := range list {
		if h.check(k, unbounded) != nil {
			continue
		}
		if work := h.work(k); unbounded || work <= left {
			left -= work
			out = append(out, k)
		}
	}
	return out
}

// order returns the slots that a key is to be tried on.
func (h *Header) order(key volume.Key) (list []*Keyslot, err error) {
	if name := key.Params["key-slot"]; name != "" {
		id, err := strconv.Atoi(name)
		if err != nil || h.slot(id) == nil {
			return nil, fmt.Errorf("there is no key slot %q", name)
		}
		return []*Keyslot{h.slot(id)}, nil
	}
	for _, priority := range []int{Prefer, Normal} {
		for i := range h.Keyslots {
			if h.Keyslots[i].Priority == priority {
				list = append(list, &h.Keyslots[i])
			}
		}
	}
	return list[:min(len(list), maxAttempts)], nil
}

// try returns the volume key that a key leads to. The error is ErrPassphrase if it does not
// fit, and another one if that could not be found out.
func (o *opening) try(key volume.Key) ([]byte, error) {
	if key.Kind == volume.VolumeKey {
		return o.tryVolumeKey(key.Secret)
	}
	slots, err := o.header.order(key)
	if err != nil {
		return nil, err
	}
	for _, k := range o.header.affordable(slots, o.env.Unbounded) { // the others are listed with that
		found, slotErr := o.trySlot(k, key.Secret)
		if found != nil {
			return found, nil
		}
		if o.ctx.Err() != nil {
			return nil, slotErr
		}
		if !errors.Is(slotErr, ErrPassphrase) && err == nil {
			err = fmt.Errorf("key slot %d: %w", k.ID, slotErr)
		}
	}
	if err == nil {
		err = ErrPassphrase
	}
	return nil, err
}

// tryVolumeKey compares a volume key with the digests. They do not see zeros at its end, so
// its length has to be the right one too.
func (o *opening) tryVolumeKey(key []byte) ([]byte, error) {
	if n := o.header.KeySize; n != 0 && len(key) != n {
		return nil, ErrPassphrase
	}
	for i := range o.header.Digests {
		d := &o.header.Digests[i]
		if !slices.Contains(d.Segments, o.header.Segments[0].ID) {
			continue
		}
		if err := d.check(o.env.Unbounded); err != nil {
			return nil, err
		}
		switch ok, err := d.fits(o.ctx, key); {
		case err != nil:
			return nil, err
		case ok:
			return slices.Clone(key), nil
		}
	}
	return nil, ErrPassphrase
}

// trySlot opens a slot by a passphrase.
func (o *opening) trySlot(k *Keyslot, secret []byte) ([]byte, error) {
	if (nullCipher(k.Area.Encryption) || nullCipher(o.header.Cipher)) && len(secret) > 0 {
		// Every passphrase would fit, and make believe that the data are protected.
		return nil, ErrPassphrase
	}
	derived, err := k.KDF.derive(o.ctx, secret, k.Area.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	n := (int64(k.KeySize)*stripes + 511) / 512 * 512
	area, err := readAt(o.area.R, o.area.Size, k.Area.Offset, n)
	if err != nil {
		return nil, err
	}
	defer clear(area)
	if !nullCipher(k.Area.Encryption) {
		if o.env.Decrypt == nil {
			return nil, fmt.Errorf("nothing can decrypt it: %w", unix.ENOSYS)
		}
		err := o.env.Decrypt(k.Area.Encryption, derived, 0, area)
		if errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("the kernel does not have the cipher %q: %w", k.Area.Encryption, err)
		}
		if err != nil {
			return nil, err
		}
	}
	key := merge(area, k.KeySize, stripes, hashes[k.AF.Hash])
	ok, err := o.header.digest(k.ID).fits(o.ctx, key)
	if !ok {
		clear(key)
		if err == nil {
			err = ErrPassphrase
		}
		return nil, err
	}
	return key, nil
}
