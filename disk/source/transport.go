package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
)

// A Transport is a way to get at the bytes of an image.
type Transport struct {
	// Schemes are those of its URLs, in lower case.
	Schemes []string

	// Open opens what a URL names, in whatever format it is: the options AnyFormat,
	// Small and LockLater are always set. If it can be locked, it is a [disk.Locker].
	//
	// ctx is the life of the device, not only of Open. When it ends, what is in flight
	// must return, with any error: the caller gets the cause.
	Open func(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error)
}

// Remote reports whether a name is one of an image elsewhere: a URL of a scheme that is
// [Known], other than file:, and not the name of a file of this host.
func Remote(name string) bool { return known.Remote(name) }

// Remote reports whether a name is one of an image elsewhere: a URL of a scheme of the
// registry, other than file:, and not the name of a file of this host.
func (r *Registry) Remote(name string) bool {
	scheme, _, colon := strings.Cut(name, ":")
	scheme = strings.ToLower(scheme)
	return colon && scheme != fileScheme && r.scheme(scheme) != nil && !exists(name)
}

// transport returns how to get at what a user calls name: a URL of a known scheme, or a
// host path.
func (r *Registry) transport(name string) (*Transport, *url.URL, error) {
	scheme, _, colon := strings.Cut(name, ":")
	if colon {
		// A file of that very name wins: URLs are not what file names are made of.
		if t := r.scheme(strings.ToLower(scheme)); t != nil && !exists(name) {
			u, err := url.Parse(name)
			if err != nil {
				// Its own text has the URL, and maybe a password.
				return nil, nil, &fs.PathError{Op: "open", Path: scheme + ":…", Err: errors.Unwrap(err)}
			}
			return t, u, nil
		}
	}
	t := r.scheme(fileScheme)
	if t == nil {
		return nil, nil, fmt.Errorf("open %s: files of the host are not supported", name)
	}
	return t, &url.URL{Scheme: fileScheme, Path: name}, nil
}

func (r *Registry) scheme(scheme string) *Transport {
	for i := range r.Transports {
		if slices.Contains(r.Transports[i].Schemes, scheme) {
			return &r.Transports[i]
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
