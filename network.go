package unboot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"github.com/unboot/unboot/internal/netif"
)

// A Network is the other end of the network interface that the programs of an image have:
// see [WithNetwork]. Package github.com/unboot/unboot/usernet has one.
type Network interface {
	// Addresses returns the addresses of the image's end, with the length of the range
	// that the link has.
	Addresses() []netip.Prefix
	// Gateways returns the addresses in those ranges that default routes lead to.
	Gateways() []netip.Addr
	// MTU returns the largest packet of IP that the link carries, in bytes: 1280 to 65535.
	MTU() int
	// ResolvConf returns what programs see as their resolv.conf(5).
	ResolvConf() []byte
	// Serve carries packets until reading from link fails, as it does when the image is
	// closed, and returns when nothing of its work is left. Each Read gives one packet, and
	// each Write, of which several may be made at a time, takes one; that a packet is not
	// taken is an error but no reason to return.
	Serve(ctx context.Context, link io.ReadWriter) error
}

// WithNetwork gives the programs of the image (see [FS.Command]) a network; by default they
// have none but the loopback interface. All programs of an image share it. The interface is
// made when the first one is started. While a program runs, it sees the network's
// resolv.conf(5) in the place of the guest's, which is not changed; /etc/hosts is as it is.
// Where the guest has none, an empty one is made, and removed at the end.
//
// A network takes time, and so no command can be started if [Clock] is set.
func WithNetwork(n Network) Option {
	return func(c *config) { c.network = n }
}

var errNetworkClock = errors.New("a network needs a clock that runs, and this image's stands still")

// An attachedNetwork is the network of an image.
type attachedNetwork struct {
	Network
	once sync.Once
	err  error // of connecting

	mu   sync.Mutex
	made map[madeFile]int // guarded by mu: how many commands use a file that was made for them
}

// A madeFile is a file of a tree that was made to mount something on.
type madeFile struct {
	t    *tree
	path string // from the root of the view that it was made by
}

// connect makes the interface of the image's kernel, unless it has it.
func (img *Image) connect() error {
	n := img.network
	if n == nil {
		return nil
	}
	n.once.Do(func() {
		if img.oneWorker {
			n.err = errNetworkClock
			return
		}
		link, err := netif.Open(img.k, netif.Config{Addresses: n.Addresses(), Gateways: n.Gateways(), MTU: n.MTU()})
		if err != nil {
			n.err = fmt.Errorf("network: %w", err)
			return
		}
		// It ends with the kernel, which Close and discard wait for before this.
		img.background.Go(func() {
			n.Serve(img.ctx, link)
			link.Close()
		})
	})
	return n.err
}
