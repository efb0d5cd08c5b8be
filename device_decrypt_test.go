package unboot

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// decrypt agrees with Go's own AES, counts sectors from the one that it is given, and leaves
// no device behind.
func TestDecrypt(t *testing.T) {
	img, err := Open(context.Background(), testimg.FS(t, "ext4", testimg.Options{}))
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	key := []byte("0123456789abcdef")
	plain := testimg.Pattern(1024, 1)
	data := bytes.Clone(plain)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		iv := make([]byte, aes.BlockSize) // of "plain64": the sector, little-endian
		iv[0], iv[1] = byte(7+i), 1
		sector := data[512*i:][:512]
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(sector, sector)
	}
	for range 3 {
		got := bytes.Clone(data)
		if err := img.decrypt("aes-cbc-plain64", key, 0x107, got); err != nil || !bytes.Equal(got, plain) {
			t.Error("not what was encrypted:", err)
		}
	}
	if err := img.decrypt("nonsense-cbc-plain64", key, 0, bytes.Clone(data)); !errors.Is(err, unix.ENOENT) || strings.Contains(err.Error(), "3031") {
		t.Error(err)
	}
	if err := img.decrypt("aes-cbc-plain64", key, 0, data[:100]); !errors.Is(err, unix.EINVAL) {
		t.Error(err)
	}
	text, err := img.k.ReadFile("/proc/partitions", 1<<20)
	if err != nil || strings.Contains(string(text), "dm-") {
		t.Errorf("%s, %v", text, err)
	}
}
