package sectorcipher

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Vector 4 of IEEE 1619-2007, Annex B, for XTS, the first block of it.
func TestXTS(t *testing.T) {
	key, _ := hex.DecodeString("2718281828459045235360287471352631415926535897932384626433832795")
	c, err := New("aes-xts-plain64", key)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 512)
	for i := range p {
		p[i] = byte(i)
	}
	plain := bytes.Clone(p)
	if err := c.Encrypt(p, 0); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(p[:16]); got != "27a7479befa1d476489f308cd4cfa6e2" {
		t.Error(got)
	}
	if err := c.Decrypt(p, 0); err != nil || !bytes.Equal(p, plain) {
		t.Errorf("%v", err)
	}
}

// Each sector has a vector of its own, and what is encrypted is decrypted.
func TestModes(t *testing.T) {
	key := []byte("0123456789abcdef0123456789ABCDEF")
	for _, name := range []string{"aes-xts-plain64", "aes-xts-plain", "aes-cbc-plain64", "aes-cbc-plain", "aes-cbc-essiv:sha256"} {
		c, err := New(name, key)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 3*512)
		if err := c.Encrypt(p, 1<<32-1); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(p[:512], p[512:1024]) || bytes.Equal(p[512:1024], p[1024:]) {
			t.Errorf("%s: sectors are alike", name)
		}
		q := bytes.Clone(p[512:])
		if err := c.Decrypt(q, 1<<32); err != nil || !bytes.Equal(q, make([]byte, 1024)) {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Decrypt(q[:100], 0); !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	}
	c, err := New("aes-cbc-plain", key)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 512)
	if err := c.Encrypt(p, 1<<32); err != nil { // whose lower half is zero
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(key)
	want := make([]byte, 512)
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(want, want)
	if !bytes.Equal(p, want) {
		t.Error("plain counts more than 32 bits")
	}
}

func TestUnknown(t *testing.T) {
	for _, name := range []string{"", "aes", "aes-xts", "aes-xts-essiv:sha256", "aes-cbc-null", "serpent-xts-plain64", "aes-lrw-plain64"} {
		if _, err := New(name, make([]byte, 32)); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := New("aes-xts-plain64", make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes")
	}
}
