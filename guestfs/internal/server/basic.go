package server

import (
	"context"
	"strings"
	"time"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// PingDaemon answers.
func (s *Server) PingDaemon(ctx context.Context) error { return nil }

// EchoDaemon returns the words with spaces between them.
func (s *Server) EchoDaemon(ctx context.Context, a *rpc.EchoDaemonArgs) (string, error) {
	return strings.Join(a.Words, " "), nil
}

// Sleep sleeps for some seconds.
func (s *Server) Sleep(ctx context.Context, a *rpc.SleepArgs) error {
	select {
	case <-time.After(time.Duration(a.Secs) * time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
