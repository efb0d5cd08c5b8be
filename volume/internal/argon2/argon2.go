// Package argon2 derives keys from passwords as RFC 9106 says, only as long as a context
// lasts, and with a bound on the memory that all derivations of the program take together.
package argon2

import (
	"bytes"
	"context"
	"sync"

	"golang.org/x/crypto/argon2"
)

// MaxMemory is the memory in KiB that the derivations at any time take together. One that
// asks for more waits until it is the only one.
const MaxMemory = 1 << 20

// Params are what a derivation costs.
type Params struct {
	ID      bool // Argon2id, and not Argon2i
	Passes  uint32
	Memory  uint32 // in KiB
	Threads uint8
}

// Key derives a key of size bytes, which the caller is to wipe. The error is that of ctx.
func Key(ctx context.Context, p Params, secret, salt []byte, size uint32) ([]byte, error) {
	derive := argon2.Key
	if p.ID {
		derive = argon2.IDKey
	}
	if err := free.take(ctx, int64(p.Memory)); err != nil {
		return nil, err
	}
	// Argon2 cannot be interrupted. If ctx ends, it is left alone until it has done, with a
	// copy of the secret, for the caller wipes that.
	secret = bytes.Clone(secret)
	out := make(chan []byte, 1)
	go func() {
		defer free.give(int64(p.Memory))
		defer clear(secret)
		out <- derive(secret, salt, p.Passes, p.Memory, p.Threads, size)
	}()
	select {
	case key := <-out:
		return key, nil
	case <-ctx.Done():
		go func() { clear(<-out) }()
		return nil, context.Cause(ctx)
	}
}

var free = memory{left: MaxMemory}

// A memory is what is left for derivations, in KiB.
type memory struct {
	mu     sync.Mutex
	left   int64
	change chan struct{} // is closed when there is more; nil if nobody waits
}

// take waits until there is n left, at most all of it.
func (m *memory) take(ctx context.Context, n int64) error {
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		m.mu.Lock()
		if n = min(n, MaxMemory); m.left >= n {
			m.left -= n
			m.mu.Unlock()
			return nil
		}
		if m.change == nil {
			m.change = make(chan struct{})
		}
		change := m.change
		m.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
		}
	}
}

func (m *memory) give(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += min(n, MaxMemory)
	if m.change != nil {
		close(m.change)
		m.change = nil
	}
}
