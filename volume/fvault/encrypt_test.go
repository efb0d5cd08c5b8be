package fvault

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"testing"

	"golang.org/x/crypto/xts"
)

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// encrypted returns an image whose three blocks at 16384 are encrypted as the header says.
func encrypted(t testing.TB, plain []byte) []byte {
	b := bytes.Clone(plain)
	c, err := xts.NewCipher(aes.NewCipher, append(bytes.Clone(b[176:192]), b[304:320]...))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		p := b[16384+i*blockSize:][:blockSize]
		c.Encrypt(p, p, uint64(i))
	}
	return b
}
