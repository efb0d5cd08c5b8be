package source

import (
	"context"
	"io/fs"
	"net/url"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/cache"
)

// identified is a device that can tell the version that it reads from others.
type identified interface{ Identity() string }

const (
	// block is the size of a block: opening an image reads little in many places, and large
	// blocks spare most requests.
	block = 512 << 10
	// tail is how much is read at the end at once.
	tail = 2 << 20
)

// Cached returns the Open of a transport with a block cache in front of what it opens, as
// each request takes the time of a round trip.
func Cached(open func(context.Context, *url.URL, disk.Options) (disk.Device, error)) func(context.Context, *url.URL, disk.Options) (disk.Device, error) {
	return func(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
		d, err := open(ctx, u, o)
		if err != nil {
			return nil, err
		}
		if m, ok := disk.As[disk.Meter](d); ok && o.Meter != nil {
			o.Meter(m)
		}
		plain := *u
		plain.User = nil
		c := cache.Options{Block: block, Dir: o.CacheDir, DirSize: o.CacheSize, Address: plain.String()}
		if v, ok := disk.As[identified](d); ok {
			c.Identity = v.Identity()
		}
		front, err := cache.New(d, c)
		if err != nil {
			d.Close()
			return nil, &fs.PathError{Op: "open", Path: disk.Display(u.String()), Err: err}
		}
		// By its ends it is recognized, and they have the tables of partitions.
		front.Prefetch(0, block)
		front.Prefetch(d.Size()-block, block) // what is waited for first
		front.Prefetch(d.Size()-tail, tail-block)
		return front, nil
	}
}
