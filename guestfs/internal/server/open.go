package server

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/devname"
)

// engine is the drives as unboot has opened them.
type engine struct {
	once sync.Once
	img  *unboot.Image
	err  error

	// raw are the files of drives that are written to as they are, to find holes in,
	// and nil for others.
	raw []*os.File
	// served are the devices of the drives that this program serves, or nil for others: of
	// those that are at a server from the beginning.
	served []disk.Device

	stale atomic.Bool // something has been written to a device: see devicesChanged
}

// image returns the drives, opened, and with them the kernel. The first call takes some
// milliseconds; Serve makes it in the background. Those who need a device or a file
// system begin here.
func (s *Server) image() (*unboot.Image, error) {
	s.engine.once.Do(func() {
		s.engine.img, s.engine.err = s.open()
		if img := s.engine.img; img != nil {
			s.store.onSync(func() error { return s.syncAll(img) })
			s.store.onClose(img.Close)
			s.engine.err = s.prepareRescue(img)
		}
	})
	if img := s.engine.img; img != nil && s.engine.stale.CompareAndSwap(true, false) {
		if err := img.Rescan(); err != nil {
			s.logf("%v", err)
		}
	}
	return s.engine.img, s.engine.err
}

func (s *Server) open() (*unboot.Image, error) {
	if len(s.config.Drives) == 0 {
		return nil, errorf("no drives were added")
	}
	opts := []unboot.Option{unboot.Writable()}
	if s.config.Log != nil {
		opts = append(opts, unboot.Log(s.config.Log))
	}
	if s.config.Network {
		n := &network{tell: s.tell}
		s.store.onClose(n.close)
		opts = append(opts, unboot.WithNetwork(n))
	}
	for i, d := range s.config.Drives {
		o, err := s.attach(i, d)
		if err != nil {
			return nil, perror(err, "%s", devname.Disk(i))
		}
		opts = append(opts, o)
		s.engine.raw = append(s.engine.raw, s.openHoles(d))
	}
	img, err := unboot.Open(context.Background(), "", opts...)
	if err == nil && s.rescue == nil && !slices.ContainsFunc(s.config.Drives, keeps) {
		s.cpu.limit(img)
	}
	return img, err
}

// attach returns the option that attaches a drive.
func (s *Server) attach(i int, d Drive) (unboot.Option, error) {
	if img := s.engine.served[i]; img != nil {
		return remoteOption(d, img), nil
	}
	o, img, err := openDrive(d)
	if img != nil {
		s.serve(i, img)
	}
	return o, err
}
