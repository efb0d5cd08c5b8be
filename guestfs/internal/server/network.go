package server

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/unboot/unboot/internal/netproc"
	"github.com/unboot/unboot/internal/netproc/wire"
)

// networkEnv names the variable that says what programs may connect to besides the public
// internet: a list with commas, of what usernet.Config.Allow takes.
const networkEnv = "UNBOOT_NETWORK_ALLOW"

// maxRefused is how many addresses the user is told of.
const maxRefused = 10

// A network is that of the programs. It is an [unboot.Network] that costs nothing until the first
// program is started. One that cannot be started is told of, and there is none.
type network struct {
	tell func(text string)
	once sync.Once
	n    *netproc.Network // nil if it could not be started; read after once

	mu      sync.Mutex
	refused map[netip.AddrPort]bool // guarded by mu: those that the user was told of
}

// started returns the network, or nil.
func (l *network) started() *netproc.Network {
	l.once.Do(func() {
		var allow []string
		for rule := range strings.SplitSeq(os.Getenv(networkEnv), ",") {
			if rule = strings.TrimSpace(rule); rule != "" {
				allow = append(allow, rule)
			}
		}
		n, err := netproc.Start(allow, l.refuse)
		if err != nil {
			l.tell(fmt.Sprintf("programs have no network: %v", err))
			return
		}
		l.n = n
	})
	return l.n
}

// refuse tells of a connection that was not allowed.
func (l *network) refuse(r wire.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused[r.To] || len(l.refused) == maxRefused {
		return
	}
	if l.refused == nil {
		l.refused = map[netip.AddrPort]bool{}
	}
	l.refused[r.To] = true
	l.tell(fmt.Sprintf("no connection to %s was allowed: %s (see %s in \"unboot help hv\")", r.To, r.Why, networkEnv))
}

// close ends the network, which nobody starts any more.
func (l *network) close() error {
	l.once.Do(func() {})
	if l.n == nil {
		return nil
	}
	return l.n.Close()
}

// Addresses implements [unboot.Network].
func (l *network) Addresses() []netip.Prefix {
	if n := l.started(); n != nil {
		return n.Addresses()
	}
	return nil
}

// Gateways implements [unboot.Network].
func (l *network) Gateways() []netip.Addr {
	if n := l.started(); n != nil {
		return n.Gateways()
	}
	return nil
}

// MTU implements [unboot.Network].
func (l *network) MTU() int {
	if n := l.started(); n != nil {
		return n.MTU()
	}
	return 1500
}

// ResolvConf implements [unboot.Network].
func (l *network) ResolvConf() []byte {
	if n := l.started(); n != nil {
		return n.ResolvConf()
	}
	return nil
}

// Serve implements [unboot.Network].
func (l *network) Serve(ctx context.Context, link io.ReadWriter) error {
	if n := l.started(); n != nil {
		return n.Serve(ctx, link)
	}
	_, err := io.Copy(io.Discard, link)
	return err
}
