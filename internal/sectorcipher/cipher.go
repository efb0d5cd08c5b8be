// Package sectorcipher en- and decrypts the sectors of disks by the ciphers that dm-crypt(8)
// names, in Go alone, for images whose own format encrypts them: no kernel is there when they
// are opened. There is AES with keys of 128, 192 and 256 bits, in the modes XTS (two keys) and
// CBC, with the initialization vectors plain, plain64 and essiv.
package sectorcipher

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/xts"
	"golang.org/x/sys/unix"
)

// SectorSize is the unit of encryption, in bytes.
const SectorSize = 512

// A Cipher en- and decrypts in place. Its methods may be called from several goroutines at
// once, with whole sectors, the first of which has a number.
type Cipher struct{ encrypt, decrypt func(p []byte, sector uint64) }

// New returns the cipher of a name such as "aes-xts-plain64" or "aes-cbc-essiv:sha256", with a
// key, which is not kept. The error wraps unix.ENOENT if the name is not known.
func New(name string, key []byte) (*Cipher, error) {
	part := strings.SplitN(name, "-", 3)
	if len(part) != 3 || part[0] != "aes" {
		return nil, unknown(name)
	}
	switch part[1] {
	case "xts":
		if part[2] != "plain64" && part[2] != "plain" {
			return nil, unknown(name)
		}
		c, err := xts.NewCipher(aes.NewCipher, key)
		if err != nil {
			return nil, fmt.Errorf("%s with a key of %d bytes: %w", name, len(key), err)
		}
		short := part[2] == "plain"
		return &Cipher{
			func(p []byte, sector uint64) { c.Encrypt(p, p, number(sector, short)) },
			func(p []byte, sector uint64) { c.Decrypt(p, p, number(sector, short)) },
		}, nil
	case "cbc":
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("%s with a key of %d bytes: %w", name, len(key), err)
		}
		iv, err := vectors(part[2], key)
		if err != nil {
			return nil, unknown(name)
		}
		return &Cipher{
			func(p []byte, sector uint64) { cipher.NewCBCEncrypter(block, iv(sector)).CryptBlocks(p, p) },
			func(p []byte, sector uint64) { cipher.NewCBCDecrypter(block, iv(sector)).CryptBlocks(p, p) },
		}, nil
	}
	return nil, unknown(name)
}

func unknown(name string) error {
	return fmt.Errorf("the cipher %q is not known here: %w", name, unix.ENOENT)
}

// number is what a sector has for its vector. The old way of counting forgets the upper half.
func number(sector uint64, short bool) uint64 {
	if short {
		return sector & 0xffffffff
	}
	return sector
}

// vectors returns how the initialization vector of a sector is made.
func vectors(name string, key []byte) (func(sector uint64) []byte, error) {
	plain := func(sector uint64) []byte {
		return binary.LittleEndian.AppendUint64(make([]byte, 0, aes.BlockSize), sector)[:aes.BlockSize]
	}
	switch name {
	case "plain64":
		return plain, nil
	case "plain":
		return func(sector uint64) []byte { return plain(number(sector, true)) }, nil
	case "essiv:sha256":
		salt := sha256.Sum256(key)
		block, err := aes.NewCipher(salt[:])
		if err != nil {
			return nil, err
		}
		return func(sector uint64) []byte {
			iv := plain(sector)
			block.Encrypt(iv, iv)
			return iv
		}, nil
	}
	return nil, unix.ENOENT
}

// Encrypt encrypts whole sectors.
func (c *Cipher) Encrypt(p []byte, sector uint64) error { return each(p, sector, c.encrypt) }

// Decrypt decrypts whole sectors.
func (c *Cipher) Decrypt(p []byte, sector uint64) error { return each(p, sector, c.decrypt) }

func each(p []byte, sector uint64, do func([]byte, uint64)) error {
	if len(p)%SectorSize != 0 {
		return fmt.Errorf("%d bytes, which are not whole sectors: %w", len(p), unix.EINVAL)
	}
	for ; len(p) > 0; p, sector = p[SectorSize:], sector+1 {
		do(p[:SectorSize], sector)
	}
	return nil
}
