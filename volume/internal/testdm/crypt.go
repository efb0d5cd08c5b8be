package testdm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/crypto/blowfish"
	"golang.org/x/crypto/cast5"
	"golang.org/x/crypto/twofish"
	"golang.org/x/crypto/xts"
	"golang.org/x/sys/unix"
)

// crypt is dm-crypt, as far as its ciphers are in Go.
type crypt struct {
	spec   string
	key    []byte
	sector int  // in bytes
	large  bool // initialization vectors count sectors of that size
}

var ciphers = map[string]func([]byte) (cipher.Block, error){
	"aes":      aes.NewCipher,
	"des3_ede": des.NewTripleDESCipher,
	"blowfish": func(key []byte) (cipher.Block, error) { return blowfish.NewCipher(key) },
	"cast5":    func(key []byte) (cipher.Block, error) { return cast5.NewCipher(key) },
	"twofish":  func(key []byte) (cipher.Block, error) { return twofish.NewCipher(key) },
}

// decrypt decrypts data in place.
func (c crypt) decrypt(sector uint64, data []byte) error {
	name, mode, _ := strings.Cut(c.spec, "-")
	newCipher := ciphers[name]
	if newCipher == nil {
		return fmt.Errorf("no cipher %s: %w", c.spec, unix.ENOENT)
	}
	step := uint64(c.sector / 512)
	if c.large {
		sector, step = sector/step, 1
	}
	switch mode {
	case "ecb":
		b, err := newCipher(c.key)
		if err != nil {
			return err
		}
		for ; len(data) > 0; data = data[b.BlockSize():] {
			b.Decrypt(data, data)
		}
		return nil
	case "xts-plain64":
		x, err := xts.NewCipher(newCipher, c.key)
		if err != nil {
			return err
		}
		for ; len(data) > 0; data = data[c.sector:] {
			x.Decrypt(data[:c.sector], data[:c.sector], sector)
			sector += step
		}
		return nil
	case "cbc-eboiv", "cbc-elephant":
		key, tweak := c.key, []byte(nil)
		if mode == "cbc-elephant" {
			key, tweak = c.key[:len(c.key)/2], c.key[len(c.key)/2:]
		}
		b, err := newCipher(key)
		if err != nil {
			return err
		}
		for ; len(data) > 0; data = data[c.sector:] {
			iv := make([]byte, 16)
			binary.LittleEndian.PutUint64(iv, sector*uint64(c.sector))
			enc := make([]byte, 16)
			b.Encrypt(enc, iv)
			cipher.NewCBCDecrypter(b, enc).CryptBlocks(data[:c.sector], data[:c.sector])
			if tweak != nil {
				if err := elephant(tweak, iv, data[:c.sector]); err != nil {
					return err
				}
			}
			sector += step
		}
		return nil
	}
	return fmt.Errorf("no mode %s: %w", c.spec, unix.ENOENT)
}

// elephant undoes the diffuser of N. Ferguson's "AES-CBC + Elephant diffuser".
func elephant(tweak, iv, data []byte) error {
	k, err := aes.NewCipher(tweak)
	if err != nil {
		return err
	}
	n := len(data) / 4
	d := make([]uint32, n)
	for i := range d {
		d[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	for range 3 {
		for i := range d {
			d[i] += d[(i+2)%n] ^ bits.RotateLeft32(d[(i+5)%n], [4]int{0, 10, 0, 25}[i%4])
		}
	}
	for range 5 {
		for i := range d {
			d[i] += d[(i+n-2)%n] ^ bits.RotateLeft32(d[(i+n-5)%n], [4]int{9, 0, 13, 0}[i%4])
		}
	}
	sectorKey := make([]byte, 32)
	k.Encrypt(sectorKey[:16], iv)
	iv[15] = 0x80
	k.Encrypt(sectorKey[16:], iv)
	for i, v := range d {
		binary.LittleEndian.PutUint32(data[4*i:], v)
	}
	for i := 0; i < len(data); i += 32 {
		subtle.XORBytes(data[i:i+32], data[i:i+32], sectorKey)
	}
	return nil
}
