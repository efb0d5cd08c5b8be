package server

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/qcow2"
	"github.com/unboot/unboot/disk/remote"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/devname"
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

// dial connects to the servers of drives, so that one that does not answer is told of now. The
// connections are kept: a server may have one client at a time, and be slow to see that it has
// gone.
func (s *Server) dial() error {
	s.engine.served = make([]disk.Device, len(s.config.Drives))
	for i, d := range s.config.Drives {
		url, format, ok := remoteDrive(d)
		if !ok {
			continue
		}
		img, err := sources().Open(context.Background(), url, source.Options{Format: format, Writable: keeps(d)})
		if err != nil {
			return fmt.Errorf("drive %s: %w", devname.Disk(i), err)
		}
		s.serve(i, img)
	}
	return nil
}

// serve notes the device by which this program serves a drive, which is closed at the end.
func (s *Server) serve(i int, d disk.Device) {
	s.engine.served[i] = d
	s.store.onClose(d.Close)
}

// checkRemote finds out whether there is a transport for the URL of a drive.
func checkRemote(d Drive, url string) error {
	if !sources().Remote(url) {
		return fmt.Errorf("protocol %s is not one that unboot speaks: %s", d.Protocol, d.URL)
	}
	return nil
}

// remoteOption returns the option that attaches a drive that is at a server.
func remoteOption(d Drive, img disk.Device) unboot.Option {
	url, _, _ := remoteDrive(d)
	opts := []unboot.DiskOption{blockSizes(d)}
	if !keeps(d) {
		opts = append(opts, unboot.Scratch())
	}
	return unboot.AddDevice(disk.Display(url), img, opts...)
}
