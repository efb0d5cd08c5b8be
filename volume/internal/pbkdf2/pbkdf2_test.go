package pbkdf2

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"testing"
)

// The standard library says the same, for keys of a part of a block and of many.
func TestStandard(t *testing.T) {
	for _, size := range []int{1, 31, 32, 33, 192} {
		want, err := pbkdf2.Key(sha256.New, "password", []byte("salt"), 5000, size)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Key(context.Background(), sha256.New, []byte("password"), []byte("salt"), 5000, size)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, %v; not %x", size, got, err, want)
		}
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	cancel(enough)
	if key, err := Key(ctx, sha256.New, nil, nil, 1<<60, 32); key != nil || !errors.Is(err, enough) {
		t.Errorf("%x, %v", key, err)
	}
}
