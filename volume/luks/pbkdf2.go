package luks

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"hash"
	"sync"
)

// pbkdf2 is the function of that name of RFC 8018. The blocks of its result are computed at
// the same time, and it returns early when ctx ends, which the standard library's does not.
func pbkdf2(ctx context.Context, newHash func() hash.Hash, secret, salt []byte, iterations int64, size int) ([]byte, error) {
	length := newHash().Size()
	blocks := (size + length - 1) / length
	out := make([]byte, blocks*length)
	var wg sync.WaitGroup
	for i := range blocks {
		wg.Go(func() {
			pbkdf2Block(ctx, hmac.New(newHash, secret), salt, uint32(i+1), iterations, out[i*length:][:length])
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		clear(out)
		return nil, err
	}
	return out[:size:size], nil
}

// pbkdf2Block computes a block.
func pbkdf2Block(ctx context.Context, mac hash.Hash, salt []byte, number uint32, iterations int64, out []byte) {
	mac.Write(salt)
	mac.Write(binary.BigEndian.AppendUint32(nil, number))
	u := mac.Sum(make([]byte, 0, len(out)))
	defer clear(u)
	copy(out, u)
	for i := int64(1); i < iterations; i++ {
		if i%4096 == 0 && ctx.Err() != nil {
			return
		}
		mac.Reset()
		mac.Write(u)
		u = mac.Sum(u[:0])
		for j, b := range u {
			out[j] ^= b
		}
	}
}
