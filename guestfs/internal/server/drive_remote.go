package server

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/qcow2"
	"github.com/unboot/unboot/disk/remote"
	"github.com/unboot/unboot/disk/source"
)

// sources are what a drive can be opened by.
var sources = sync.OnceValue(remote.Sources)

// remoteDrive returns the URL of a drive that is at a server, and its format, or false. It
// is also one that the library has made an overlay for, as it does for what it may only
// read: the overlay is empty, and what is below it is opened in its place.
func remoteDrive(d Drive) (url, format string, ok bool) {
	if d.Protocol != "" {
		return d.URL, d.Format, true
	}
	if !isLibraryOverlay(d) {
		return "", "", false
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return "", "", false
	}
	defer f.Close()
	url, format, ok = qcow2.EmptyOverlay(f)
	return url, format, ok && sources().Remote(url)
}

// checkRemote connects to the server of a drive, so that one that does not answer is told
// of now.
func checkRemote(d Drive, url, format string) error {
	img, err := dialDrive(d, url, format)
	if err != nil {
		return err
	}
	return img.Close()
}

func dialDrive(d Drive, url, format string) (disk.Device, error) {
	if !sources().Remote(url) {
		return nil, fmt.Errorf("protocol %s is not one that unboot speaks: %s", d.Protocol, d.URL)
	}
	return sources().Open(context.Background(), url, source.Options{Format: format, Writable: keeps(d)})
}
