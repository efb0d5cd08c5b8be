package plain

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/volume/internal/hashfunc"
)

// hashMax is the length of the longest hash, in bytes.
const hashMax = 64

// key makes the key of a passphrase, or of what is a key already.
func (h *Header) key(secret []byte) ([]byte, error) {
	if h.Hash == "" {
		if len(secret) < h.KeySize {
			return nil, fmt.Errorf("a key of %d bytes is needed, not of %d", h.KeySize, len(secret))
		}
		return bytes.Clone(secret[:h.KeySize]), nil
	}
	name, length, limited := strings.Cut(h.Hash, ":")
	size := h.KeySize
	if limited {
		n, err := strconv.Atoi(length)
		if err != nil || n < 1 || n > h.KeySize || name == "plain" && n > len(secret) {
			return nil, fmt.Errorf("hash=%s: the key has %d bytes", h.Hash, h.KeySize)
		}
		size = n
	}
	if name == "plain" {
		key := make([]byte, h.KeySize)
		copy(key[:size], secret)
		return key, nil
	}
	newHash := hashfunc.ByName[name]
	if newHash == nil {
		return nil, fmt.Errorf("no hash function %s", name)
	}
	// A hash that is too short is followed by that of the passphrase with an A before it,
	// then with two, and so on.
	key := make([]byte, 0, h.KeySize+hashMax)
	for round := 0; len(key) < size; round++ {
		d := newHash()
		d.Write(bytes.Repeat([]byte("A"), round))
		d.Write(secret)
		key = d.Sum(key)
	}
	clear(key[size:cap(key)])
	return key[:h.KeySize:h.KeySize], nil
}
