package source

import (
	"context"
	"errors"
	"io/fs"
	"net/url"

	"github.com/unboot/unboot/disk"
)

const fileScheme = "file"

var errFileURL = errors.New("a file: URL with more than the path of a file of this host")

// openFile opens an image file or block device of the host.
func openFile(_ context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	path, err := hostPath(u)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: u.String(), Err: err}
	}
	raw, err := disk.OpenRaw(path, o)
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// hostPath returns the path of a file: URL, as RFC 8089 has them, and without "//" also a
// relative one, as in QEMU.
func hostPath(u *url.URL) (string, error) {
	if u.Host != "" && u.Host != "localhost" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", errFileURL
	}
	if u.Opaque != "" {
		return url.PathUnescape(u.Opaque)
	}
	return u.Path, nil
}
