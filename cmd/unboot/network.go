package main

import (
	"fmt"
	"slices"
	"sync"

	"github.com/unboot/unboot/internal/netproc"
	"github.com/unboot/unboot/internal/netproc/wire"
	"github.com/unboot/unboot/internal/reach"
)

// A networking has the options of a program's network.
type networking struct {
	on    bool
	allow []string

	mu      sync.Mutex
	refused []wire.Refusal // guarded by mu
}

// options declares them.
func (n *networking) options(f *flagSet) {
	f.bool(&n.on, "", "network", "the program reaches the public internet")
	f.value("", "network-allow", "WHAT", `and also "private" networks, the "host", or an address or range, each with or without :PORT`, func(v string) error {
		if _, err := reach.Parse(v); err != nil {
			return err
		}
		n.on, n.allow = true, append(n.allow, v)
		return nil
	}).among("private", "host")
}

// start starts the network, if there is to be one, for the image that is opened next. stop
// ends it, and says what it has refused.
func (n *networking) start(a *app) (stop func(), err error) {
	if !n.on {
		return func() {}, nil
	}
	network, err := netproc.Start(n.allow, func(r wire.Refusal) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.refused = append(n.refused, r)
	})
	if err != nil {
		return nil, err
	}
	a.opts.network = network
	return func() {
		if err := network.Close(); err != nil {
			a.warn(err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		// Not at once: the terminal was the program's.
		slices.SortFunc(n.refused, func(x, y wire.Refusal) int { return x.To.Compare(y.To) })
		for _, r := range n.refused {
			a.warn(fmt.Errorf("no connection to %s was allowed: %s (see --network-allow)", r.To, r.Why))
		}
	}, nil
}
