package bitlocker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// openCCM decrypts data by AES-CCM (NIST SP 800-38C) with a nonce of 12 bytes, a tag of 16
// and nothing else that is authenticated. It returns nil if the tag does not fit.
func openCCM(key, nonce, tag, data []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil || len(nonce) != 12 || len(tag) != aes.BlockSize || len(data) >= 1<<24 {
		return nil
	}
	// The counter has 3 bytes, as nonce and one byte of flags leave of a block. Block 0
	// encrypts the tag, what follows the data.
	var counter, mac, stream [aes.BlockSize]byte
	counter[0] = 3 - 1
	copy(counter[1:], nonce)
	ctr := cipher.NewCTR(block, counter[:])
	ctr.XORKeyStream(stream[:], tag)
	plain := make([]byte, len(data))
	ctr.XORKeyStream(plain, data)

	mac[0] = (aes.BlockSize-2)/2<<3 | (3 - 1)
	copy(mac[1:], nonce)
	mac[13], mac[14], mac[15] = byte(len(data)>>16), byte(len(data)>>8), byte(len(data))
	block.Encrypt(mac[:], mac[:])
	for b := plain; len(b) > 0; b = b[min(len(b), aes.BlockSize):] {
		subtle.XORBytes(mac[:], mac[:], b[:min(len(b), aes.BlockSize)])
		block.Encrypt(mac[:], mac[:])
	}
	if subtle.ConstantTimeCompare(mac[:], stream[:]) != 1 {
		clear(plain)
		return nil
	}
	return plain
}
