package hosttool

import (
	"bytes"
	"sync"
)

// maxOutput is how much of a tool's output is kept, in bytes.
const maxOutput = 256 << 10

// limited keeps the beginning of what is written to it, by several at a time.
type limited struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(p[:min(len(p), max(0, maxOutput-l.b.Len()))])
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type both [2]*limited

func (b both) Write(p []byte) (int, error) {
	b[0].Write(p)
	return b[1].Write(p)
}
