package luks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/unboot/unboot/volume/internal/pbkdf2"
)

const (
	inactive1  = 0x0000dead
	slotAlign1 = 4096 // bytes, to which cryptsetup aligns the areas of slots
)

func setState1(s []byte, active bool) {
	state := uint32(inactive1)
	if active {
		state = active1
	}
	binary.BigEndian.PutUint32(s, state)
}

// newDigest returns what shows that a volume key is right. Its iterations are an eighth of a
// slot's, as they are in cryptsetup by time.
func (w *Writer) newDigest(ctx context.Context, kdf *KDF, hash string, key []byte, size int) (*Digest, error) {
	d := &Digest{Type: "pbkdf2", Hash: hash, Iterations: iterations1 / 8}
	if kdf.Type == "pbkdf2" {
		d.Iterations = max(kdf.Iterations/8, 1000)
	}
	var err error
	if d.Salt, err = w.random(saltSize); err != nil {
		return nil, err
	}
	d.Digest, err = pbkdf2.Key(ctx, hashes[hash], key, d.Salt, d.Iterations, size)
	return d, err
}

// format1 writes the header first, without slots: until the first slot is there nothing can
// be opened, neither the old nor the new.
func (w *Writer) format1(ctx context.Context, key, secret []byte, l Layout) error {
	if w.Size < payload1+512 {
		return errors.New("the device is too small")
	}
	kdf, err := w.derivation(1, l.Hash)
	if err != nil {
		return err
	}
	d, err := w.newDigest(ctx, &kdf, l.Hash, key, digestSize)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	b := make([]byte, header1Size)
	copy(b, magic+"\x00\x01")
	name, mode, _ := strings.Cut(l.Cipher, "-")
	copy(b[8:39], name)
	copy(b[40:71], mode)
	copy(b[72:103], l.Hash)
	be.PutUint32(b[104:], payload1/512)
	be.PutUint32(b[108:], uint32(l.KeySize))
	copy(b[112:132], d.Digest)
	copy(b[132:164], d.Salt)
	be.PutUint32(b[164:], uint32(d.Iterations))
	copy(b[168:207], l.UUID)
	length := (l.KeySize*stripes + slotAlign1 - 1) / slotAlign1 * slotAlign1
	for i := range slots1 {
		s := b[208+48*i:][:48]
		setState1(s, false)
		off := slotAlign1 + i*length
		if off+length > payload1 {
			return fmt.Errorf("keys of %d bytes have no place in version 1", l.KeySize)
		}
		be.PutUint32(s[40:], uint32(off/512))
		be.PutUint32(s[44:], stripes)
	}
	// A second header of version 2 would be found where the first is gone.
	if err := w.write(make([]byte, payload1-header1Size), header1Size); err != nil {
		return err
	}
	if err := w.write(b, 0); err != nil {
		return err
	}
	h, err := readHeader1(b, w.Size)
	if err != nil {
		return err
	}
	_, err = w.add1(ctx, h, key, secret, 0)
	return err
}

func (w *Writer) add1(ctx context.Context, h *Header, key, secret []byte, slot int) (int, error) {
	for i := 0; slot < 0 && i < slots1; i++ {
		if h.slot(i) == nil {
			slot = i
		}
	}
	if slot < 0 || slot >= slots1 || h.slot(slot) != nil {
		return -1, fmt.Errorf("there is no unused key slot %d", slot)
	}
	kdf, err := w.derivation(1, h.Digests[0].Hash)
	if err != nil {
		return -1, err
	}
	b, err := readAt(w.Device, w.Size, 0, header1Size)
	if err != nil {
		return -1, err
	}
	k := &Keyslot{
		ID: slot, KeySize: h.KeySize, AF: AF{Stripes: stripes, Hash: kdf.Hash}, KDF: kdf,
		Area: Area{Encryption: h.Cipher, KeySize: h.KeySize, Offset: int64(binary.BigEndian.Uint32(b[208+48*slot+40:])) * 512},
	}
	if err := w.fill(ctx, k, key, secret); err != nil {
		return -1, err
	}
	return slot, w.change1(slot, func(s []byte) {
		setState1(s, true)
		binary.BigEndian.PutUint32(s[4:], uint32(kdf.Iterations))
		copy(s[8:40], kdf.Salt)
	})
}

// change1 changes what the header has of a slot.
func (w *Writer) change1(slot int, f func([]byte)) error {
	b, err := readAt(w.Device, w.Size, 0, header1Size)
	if err != nil {
		return err
	}
	f(b[208+48*slot:][:48])
	return w.write(b, 0)
}
