package link

import (
	"io"
	"net"
	"sync"
	"time"
)

// progress is how many bytes a peer must send for the time to begin anew: one that sends a
// byte from time to time does not keep us for long.
const progress = 4096

// A Reader reads from a connection, and fails when a peer that owes something sends too
// little for too long.
type Reader struct {
	c    net.Conn
	read int // since the time began

	mu sync.Mutex
	// owed is how long may pass, or 0 while the peer owes nothing. It is guarded by mu.
	owed time.Duration
	end  time.Time // guarded by mu
}

func NewReader(c net.Conn) *Reader { return &Reader{c: c} }

// Expect says how long the peer has from now on, or 0 if it owes nothing.
func (s *Reader) Expect(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed, s.end = d, time.Time{}
	if d > 0 {
		s.end = time.Now().Add(d)
	}
	// That of a closed connection is an error that the next read has, too.
	s.c.SetReadDeadline(s.end)
}

// Read implements [io.Reader].
func (s *Reader) Read(p []byte) (int, error) {
	n, err := s.c.Read(p)
	if s.read += n; s.read >= progress {
		s.read = 0
		s.mu.Lock()
		owed := s.owed
		s.mu.Unlock()
		if owed > 0 {
			s.Expect(owed)
		}
	}
	return n, err
}

var _ io.Reader = (*Reader)(nil)
