package luks

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/twofish"
	"golang.org/x/crypto/xts"
	"golang.org/x/sys/unix"
)

// sectorCipher crypts what the tests need as dm-crypt does, with its sectors of 512 bytes.
func sectorCipher(name string, key []byte, sector uint64, data []byte, encrypt bool) error {
	block, mode, iv := cutCipher(name)
	if mode == "" {
		mode, iv = iv, ""
	}
	iv, ivHash, _ := strings.Cut(iv, ":")
	newBlock := map[string]func([]byte) (cipher.Block, error){
		"aes":     aes.NewCipher,
		"twofish": func(k []byte) (cipher.Block, error) { return twofish.NewCipher(k) },
	}[block]
	if newBlock == nil {
		return fmt.Errorf("%s: %w", name, unix.ENOENT)
	}
	var salted cipher.Block
	if iv == "essiv" {
		hash := strings.Replace(ivHash, "wp256", "whirlpool", 1)
		h := hashes[hash]()
		h.Write(key)
		sum := h.Sum(nil)
		if hash != ivHash {
			sum = sum[:32]
		}
		var err error
		if salted, err = newBlock(sum); err != nil {
			return err
		}
	}
	for off := 0; off < len(data); off += 512 {
		piece := data[off:][:512]
		n := sector + uint64(off/512)
		var vector [16]byte
		switch iv {
		case "", "plain64":
			binary.LittleEndian.PutUint64(vector[:], n)
		case "plain":
			binary.LittleEndian.PutUint32(vector[:], uint32(n))
		case "essiv":
			binary.LittleEndian.PutUint64(vector[:], n)
			salted.Encrypt(vector[:], vector[:])
		default:
			return fmt.Errorf("%s: %w", name, unix.ENOENT)
		}
		if mode == "xts" && iv != "essiv" {
			c, err := xts.NewCipher(newBlock, key)
			if err != nil {
				return err
			}
			if encrypt {
				c.Encrypt(piece, piece, n)
			} else {
				c.Decrypt(piece, piece, n)
			}
			continue
		}
		c, err := newBlock(key)
		if err != nil {
			return err
		}
		switch {
		case mode == "ecb":
			for i := 0; i < 512; i += 16 {
				if encrypt {
					c.Encrypt(piece[i:], piece[i:])
				} else {
					c.Decrypt(piece[i:], piece[i:])
				}
			}
		case mode == "cbc" && encrypt:
			cipher.NewCBCEncrypter(c, vector[:]).CryptBlocks(piece, piece)
		case mode == "cbc":
			cipher.NewCBCDecrypter(c, vector[:]).CryptBlocks(piece, piece)
		default:
			return fmt.Errorf("%s: %w", name, unix.ENOENT)
		}
	}
	return nil
}

func decrypt(name string, key []byte, sector uint64, data []byte) error {
	return sectorCipher(name, key, sector, data, false)
}
