package tcrypt

import (
	"crypto/subtle"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// A trial decrypts headers, and remembers which ciphers the kernel lacks.
type trial struct {
	env    *volume.Env
	lacks  map[string]bool
	header [headerSize]byte // encrypted
}

// decrypt does what dm-crypt does, on a whole sector. It reports whether the kernel could.
func (t *trial) decrypt(spec string, key, data []byte) (bool, error) {
	if t.lacks[spec] {
		return false, nil
	}
	err := t.env.Decrypt(spec, key, 0, data)
	if errors.Is(err, unix.ENOENT) {
		t.lacks[spec] = true
		return false, nil
	}
	return err == nil, err
}

// open decrypts the header with the keys that are derived from a password. It returns nil if
// what comes out is no header.
func (t *trial) open(c cascade, keys []byte) (plain []byte, err error) {
	sector := make([]byte, volume.SectorSize)
	copy(sector, t.header[saltSize:])
	ok := false
	switch c.mode {
	case xts, lrw:
		// The header counts its blocks as a sector 0 does.
		for i := len(c.ciphers) - 1; i >= 0; i-- {
			key := c.key(i, keys)
			ok, err = t.decrypt(c.ciphers[i]+"-"+string(c.mode), key, sector)
			clear(key)
			if !ok || err != nil {
				break
			}
		}
	default:
		ok, err = t.openCBC(c, keys, sector)
	}
	if !ok || err != nil || !isHeader(sector) {
		clear(sector)
		return nil, err
	}
	return sector[:headerSize-saltSize], nil
}

// openCBC decrypts a header in one of the modes of CBC. Its whitening and its vector are
// simpler than those of sectors, so only the ciphers are left to the kernel.
func (t *trial) openCBC(c cascade, keys, sector []byte) (bool, error) {
	for i := range sector {
		sector[i] ^= keys[8+i%8]
	}
	block := blockSize(c.ciphers[0])
	chained := append(make([]byte, block, block+len(sector)), sector...)
	copy(chained[:block], keys)
	little := c.ciphers[0] == "blowfish"
	if little {
		swap(sector)
	}
	for i := len(c.ciphers) - 1; i >= 0; i-- {
		at := cascade{c.ciphers, outer}.key(i, keys) // the cipher's own key, and no more
		ok, err := t.decrypt(c.ciphers[i]+"-ecb", at, sector)
		clear(at)
		if !ok || err != nil {
			return false, err
		}
	}
	if little {
		swap(sector)
	}
	subtle.XORBytes(sector, sector, chained)
	return true, nil
}

// swap turns numbers of 32 bits around.
func swap(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	}
}
