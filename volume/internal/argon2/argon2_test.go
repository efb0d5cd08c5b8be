package argon2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The vectors of RFC 9106 have a secret and associated data, which no volume has: these are
// those of the reference implementation's test.c.
func TestKey(t *testing.T) {
	for want, p := range map[string]Params{
		"c1628832147d9720c5bd1cfd61367078729f6dfb6f8fea9ff98158e0d7816ed0": {Passes: 2, Memory: 65536, Threads: 1},
		"09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7": {ID: true, Passes: 2, Memory: 65536, Threads: 1},
	} {
		key, err := Key(t.Context(), p, []byte("password"), []byte("somesalt"), 32)
		if got := fmt.Sprintf("%x", key); err != nil || got != want {
			t.Errorf("%+v: %s, %v", p, got, err)
		}
	}
	if free.left != MaxMemory {
		t.Errorf("%d KiB are left", free.left)
	}
}

// What several take at the same time is never more than there is, one that wants more than
// all gets all, and a context ends the wait.
func TestMemory(t *testing.T) {
	m := &memory{left: MaxMemory}
	var taken atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			n := int64(MaxMemory) / int64(i%5+1)
			if i%7 == 0 {
				n = 3 * MaxMemory
			}
			if err := m.take(t.Context(), n); err != nil {
				t.Error(err)
			}
			if now := taken.Add(min(n, MaxMemory)); now > MaxMemory {
				t.Errorf("%d KiB at the same time", now)
			}
			taken.Add(-min(n, MaxMemory))
			m.give(n)
		})
	}
	wg.Wait()
	if m.left != MaxMemory {
		t.Errorf("%d KiB are left", m.left)
	}
	if err := m.take(t.Context(), MaxMemory); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := m.take(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A derivation that nobody waits for any more does not keep its memory.
func TestAbandoned(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	go cancel(errors.ErrUnsupported)
	key, err := Key(ctx, Params{ID: true, Passes: 1, Memory: 64 << 10, Threads: 1}, []byte("x"), make([]byte, 16), 32)
	if key == nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if err := free.take(t.Context(), MaxMemory); err != nil {
		t.Fatal(err)
	}
	free.give(MaxMemory)
}
