package luks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/field"
)

// A Device is what a header is written to.
type Device interface {
	io.ReaderAt
	io.WriterAt
}

// A Writer makes and changes headers. Each change is complete in itself; what it does not
// concern stays as it is. Only one may work on a device at a time, and nothing is to have the
// volume open of which a key is taken away.
type Writer struct {
	Device Device
	Size   int64 // of the device, in bytes
	// Encrypt and Decrypt work in place, as [volume.Env] has it.
	Encrypt, Decrypt func(cipher string, key []byte, sector uint64, data []byte) error
	// KDF is how the key of a new slot is derived. The zero value stands for what RFC 9106
	// recommends where memory is limited, 3 passes of argon2id over 64 MiB in 4 threads; and
	// in version 1 for 600,000 iterations of PBKDF2 with the header's hash. Salts are
	// random, whatever it says.
	KDF KDF
	// Rand is where keys and salts come from: crypto/rand.Reader if it is nil.
	Rand io.Reader
}

// A Layout is what a new header says. Authenticated encryption is not among it: only the
// kernel can lay out the device below.
type Layout struct {
	Version                int    // 1 or 2; 0 stands for 2
	Cipher                 string // "" for "aes-xts-plain64"
	KeySize                int    // of the volume key, in bytes; 0 for 64 of XTS, and else 32
	Hash                   string // "" for "sha256"
	UUID, Label, Subsystem string // the UUID is random if it is ""; version 1 has the others not
	SectorSize             int    // in bytes; 0 for 512, which is all that version 1 has
}

// Header1Size is the size of a new header of version 1 with the areas of its slots, in bytes: the
// data begin there.
const Header1Size = payload1

const (
	payload1    = 2 << 20  // where the data begin, in bytes
	payload2    = 16 << 20 // the same in version 2
	iterations1 = 600_000
)

func (w *Writer) random(n int) ([]byte, error) {
	r := w.Rand
	if r == nil {
		r = rand.Reader
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// header reads the header, and refuses one that is not to be changed.
func (w *Writer) header() (*Header, error) {
	h, err := ReadHeader(w.Device, w.Size)
	if err != nil {
		return nil, err
	}
	if len(h.Requirements) > 0 {
		return nil, fmt.Errorf("it requires what is not known: %q", h.Requirements)
	}
	return h, nil
}

// derivation returns how a new slot's key is derived.
func (w *Writer) derivation(version int, hash string) (KDF, error) {
	k := w.KDF
	switch {
	case version == 1 && k.Type == "":
		k = KDF{Type: "pbkdf2", Iterations: iterations1}
	case k.Type == "":
		k = KDF{Type: "argon2id", Time: 3, Memory: 64 << 10, CPUs: 4}
	case version == 1 && k.Type != "pbkdf2":
		return k, fmt.Errorf("version 1 has no key derivation %q", k.Type)
	}
	if k.Type == "pbkdf2" && (version == 1 || k.Hash == "") {
		k.Hash = hash
	}
	salt, err := w.random(saltSize)
	k.Salt = salt
	return k, errors.Join(err, k.check(true))
}

// fill writes a volume key to the area of a slot, so that the secret opens it.
func (w *Writer) fill(ctx context.Context, k *Keyslot, key, secret []byte) error {
	derived, err := k.KDF.derive(ctx, secret, k.Area.KeySize)
	if err != nil {
		return err
	}
	defer clear(derived)
	area, err := w.random((k.KeySize*stripes + 511) / 512 * 512)
	if err != nil {
		return err
	}
	defer clear(area)
	split(area[:k.KeySize*stripes], key, hashes[k.AF.Hash])
	if !nullCipher(k.Area.Encryption) {
		if err := w.Encrypt(k.Area.Encryption, derived, 0, area); err != nil {
			return err
		}
	}
	return w.write(area, k.Area.Offset)
}

func (w *Writer) write(b []byte, off int64) error {
	if off < 0 || off > w.Size-int64(len(b)) {
		return errors.New("the device is too small")
	}
	_, err := w.Device.WriteAt(b, off)
	return err
}

// unlock returns the volume key that a key leads to, without the slot but.
func (w *Writer) unlock(ctx context.Context, h *Header, key volume.Key, but int) ([]byte, error) {
	rest := *h
	rest.Keyslots = nil
	for _, k := range h.Keyslots {
		if k.ID != but {
			rest.Keyslots = append(rest.Keyslots, k)
		}
	}
	m := &volume.Member{R: w.Device, Size: w.Size}
	o := opening{ctx: ctx, env: &volume.Env{Decrypt: w.Decrypt}, header: &rest, area: m, data: m}
	return o.try(key)
}

// AddKey adds a slot that a secret opens, and returns its number. A key that opens the volume
// already has to be given; slot -1 stands for the first that is unused.
func (w *Writer) AddKey(ctx context.Context, with volume.Key, secret []byte, slot int) (int, error) {
	h, err := w.header()
	if err != nil {
		return -1, fmt.Errorf("add a key: %w", err)
	}
	key, err := w.unlock(ctx, h, with, -1)
	if err != nil {
		return -1, fmt.Errorf("add a key: %w", err)
	}
	defer clear(key)
	slot, err = w.add(ctx, h, key, secret, slot)
	if err != nil {
		return -1, fmt.Errorf("add a key: %w", err)
	}
	return slot, nil
}

// KillSlot makes a slot unused and wipes its area. A key that opens another slot has to be
// given, so that the volume is not lost.
func (w *Writer) KillSlot(ctx context.Context, with volume.Key, slot int) error {
	h, err := w.header()
	if err != nil {
		return fmt.Errorf("kill key slot %d: %w", slot, err)
	}
	k := h.slot(slot)
	if k == nil {
		return fmt.Errorf("kill key slot %d: it is not in use", slot)
	}
	key, err := w.unlock(ctx, h, with, slot)
	if err != nil {
		return fmt.Errorf("kill key slot %d: %w", slot, err)
	}
	clear(key)
	waste, err := w.random(int(min(k.Area.Size, maxKeySize*stripes)))
	if err == nil {
		err = w.write(waste, k.Area.Offset)
	}
	if err == nil {
		err = w.remove(h, slot)
	}
	if err != nil {
		return fmt.Errorf("kill key slot %d: %w", slot, err)
	}
	return nil
}

func (w *Writer) add(ctx context.Context, h *Header, key, secret []byte, slot int) (int, error) {
	if h.Version == 1 {
		return w.add1(ctx, h, key, secret, slot)
	}
	return w.add2(ctx, h, key, secret, slot)
}

func (w *Writer) remove(h *Header, slot int) error {
	if h.Version == 1 {
		return w.change1(slot, func(s []byte) { clear(s[:40]); setState1(s, false) })
	}
	return w.change2(h, func(m map[string]any) { forget(m, slot) })
}

// Format writes a new header, whose slot 0 a secret opens. What the header had before cannot
// be opened any more; the data are left as they are.
func (w *Writer) Format(ctx context.Context, secret []byte, l Layout) error {
	if l.Version == 0 {
		l.Version = 2
	}
	if l.Cipher == "" {
		l.Cipher = "aes-xts-plain64"
	}
	if l.KeySize == 0 {
		l.KeySize = 32
		if strings.Contains(l.Cipher, "-xts-") {
			l.KeySize = 64
		}
	}
	if l.Hash == "" {
		l.Hash = "sha256"
	}
	if l.SectorSize == 0 {
		l.SectorSize = 512
	}
	if l.UUID == "" {
		b, err := w.random(16)
		if err != nil {
			return fmt.Errorf("format: %w", err)
		}
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4 of RFC 9562
		l.UUID = field.UUID(b[:])
	}
	if err := w.format(ctx, secret, l); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	return nil
}

func (w *Writer) format(ctx context.Context, secret []byte, l Layout) error {
	newHash := hashes[l.Hash]
	switch {
	case l.Version != 1 && l.Version != 2:
		return fmt.Errorf("version %d is not known", l.Version)
	case !plainCipher(l.Cipher) || !strings.Contains(l.Cipher, "-") || nullCipher(l.Cipher):
		return fmt.Errorf("the cipher %q", l.Cipher)
	case l.KeySize < 1 || l.KeySize > maxKeySize:
		return fmt.Errorf("a key of %d bytes", l.KeySize)
	case newHash == nil || newHash().Size() < digestSize:
		return fmt.Errorf("the hash %q is not known", l.Hash)
	case !isUUID(l.UUID):
		return fmt.Errorf("the UUID %q", l.UUID)
	case l.SectorSize < 512 || l.SectorSize > 4096 || l.SectorSize&(l.SectorSize-1) != 0 || l.Version == 1 && l.SectorSize != 512:
		return fmt.Errorf("sectors of %d bytes", l.SectorSize)
	case l.Version == 1 && (l.Label != "" || l.Subsystem != "" || len(l.Cipher) > 60 || len(l.Hash) > 31):
		return errors.New("version 1 has no place for that")
	case len(l.Label) > 47 || len(l.Subsystem) > 47:
		return errors.New("the label or the subsystem has more than 47 bytes")
	}
	key, err := w.random(l.KeySize)
	if err != nil {
		return err
	}
	defer clear(key)
	if l.Version == 1 {
		return w.format1(ctx, key, secret, l)
	}
	return w.format2(ctx, key, secret, l)
}
