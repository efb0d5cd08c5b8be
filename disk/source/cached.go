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

// cached returns the Open of a transport with a block cache in front of what it opens, as
// each request takes the time of a round trip.
func cached(open func(context.Context, *url.URL, disk.Options) (disk.Device, error)) func(context.Context, *url.URL, disk.Options) (disk.Device, error) {
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
		// Opening an image reads little in many places: large blocks spare most requests.
		c := cache.Options{Block: 512 << 10, Dir: o.CacheDir, Address: plain.String()}
		if v, ok := disk.As[identified](d); ok {
			c.Identity = v.Identity()
		}
		cached, err := cache.New(d, c)
		if err != nil {
			d.Close()
			return nil, &fs.PathError{Op: "open", Path: disk.Display(u.String()), Err: err}
		}
		return cached, nil
	}
}
