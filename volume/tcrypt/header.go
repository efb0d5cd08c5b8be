package tcrypt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/unboot/unboot/volume"
)

// A Header is what the header of a volume says, once it is decrypted.
type Header struct {
	VeraCrypt  bool
	Version    int    // of the header's format
	KDF        string // "pbkdf2-sha512", "argon2id": what the key was found by
	Cipher     string // "twofish-aes": the last is applied last, as cryptsetup writes it
	Mode       string // "xts-plain64", as dm-crypt calls it
	Hidden     bool   // it is of a hidden volume
	System     bool   // it is of an encrypted system
	SectorSize int    // that the volume was made for, in bytes
}

// header is a header with what is for this package alone.
type header struct {
	Header
	cascade      cascade
	keys         []byte // to be wiped
	size, offset uint64 // of the volume, in bytes
	done         uint64 // how much of the volume is encrypted, in bytes, or 0
	hiddenSize   uint64 // of the hidden volume, in its own header
}

const (
	saltSize   = 64
	headerSize = 512 // with the salt, which is not encrypted

	systemAt    = 31744     // of the header of an encrypted system
	hiddenAt    = 64 << 10  // of that of a hidden volume
	hiddenOldAt = 1536      // of that of TrueCrypt before 6, from the end
	backupAt    = 128 << 10 // of the copies, from the end
	backupHidAt = 64 << 10  // of the copy of a hidden volume's header, from the end
)

// places returns where the header may be, in bytes.
func places(m *volume.Member, o options) []int64 {
	switch {
	case o.system:
		return []int64{systemAt}
	case o.hidden && o.backup:
		return []int64{m.Size - backupHidAt}
	case o.hidden:
		return []int64{hiddenAt, m.Size - hiddenOldAt}
	case o.backup:
		return []int64{m.Size - backupAt}
	}
	return []int64{0}
}

// find looks for a header that the password decrypts. It returns none if there is none; the
// error is what is wrong with the one that it found, or with the search.
func find(ctx context.Context, m *volume.Member, env *volume.Env, password []byte, o options) (*header, error) {
	for _, at := range places(m, o) {
		if at < 0 || at > m.Size-headerSize {
			continue
		}
		t := &trial{env: env, lacks: map[string]bool{}}
		if _, err := m.R.ReadAt(t.header[:], at); err != nil {
			return nil, fmt.Errorf("read %s at %d: %w", m.Name, at, err)
		}
		for i := range derivations {
			d := &derivations[i]
			if !d.fits(o, len(password)) {
				continue
			}
			h, err := t.derived(ctx, d, password, o)
			if h != nil || err != nil {
				return h, err
			}
		}
	}
	return nil, nil
}

// derived looks for the ciphers with which a header opens by a key of one derivation.
func (t *trial) derived(ctx context.Context, d *derivation, password []byte, o options) (*header, error) {
	key, err := d.key(ctx, password, t.header[:saltSize], o.pim)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	for _, c := range cascades {
		plain, err := t.open(c, key)
		if err != nil {
			return nil, err
		}
		if plain == nil {
			continue
		}
		h := parse(plain)
		h.cascade, h.Cipher, h.Mode = c, strings.Join(c.ciphers, "-"), string(c.mode)
		h.Hidden, h.System = o.hidden, o.system
		if h.KDF = d.name; d.name != argon {
			h.KDF = "pbkdf2-" + d.name
		}
		return h, check(plain)
	}
	return nil, nil
}

// isHeader reports whether a header is what was decrypted.
func isHeader(b []byte) bool { return string(b[:4]) == "TRUE" || string(b[:4]) == "VERA" }

// check compares the checksums.
func check(b []byte) error {
	be := binary.BigEndian
	if be.Uint16(b[4:]) > 3 && crc32.ChecksumIEEE(b[:188]) != be.Uint32(b[188:]) {
		return errors.New("the checksum of the header is wrong")
	}
	if crc32.ChecksumIEEE(b[192:448]) != be.Uint32(b[8:]) {
		return errors.New("the checksum of the keys is wrong")
	}
	return nil
}

// parse takes over what a decrypted header says.
func parse(b []byte) *header {
	be := binary.BigEndian
	h := &header{
		Header: Header{
			VeraCrypt:  string(b[:4]) == "VERA",
			Version:    int(be.Uint16(b[4:])),
			SectorSize: int(be.Uint32(b[64:])),
		},
		hiddenSize: be.Uint64(b[28:]), size: be.Uint64(b[36:]), offset: be.Uint64(b[44:]), done: be.Uint64(b[52:]),
		keys: b[192 : 192+keysMax],
	}
	if h.offset == 0 {
		h.offset = headerSize
	}
	if h.SectorSize == 0 {
		h.SectorSize = volume.SectorSize
	}
	return h
}
