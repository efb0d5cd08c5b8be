package server

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume/probe"
)

// A node is an open block device of our kernel.
type node struct {
	*unboot.File
	size       int64 // bytes
	sectorSize int   // bytes
}

// openNode opens a device. flags are open(2)'s.
func (s *Server) openNode(name string, flags int) (*node, error) {
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	f, err := img.OpenNode(name, flags)
	if err != nil {
		return nil, perror(err, "open: %s", name)
	}
	n := &node{File: f}
	if n.size, err = f.Size(); err == nil {
		n.sectorSize, err = n.number(unix.BLKSSZGET)
	}
	if err != nil {
		n.Close()
		return nil, perror(err, "ioctl: %s", name)
	}
	return n, nil
}

// cached reads what is in the kernel's cache: of what is mounted, a superblock may be
// newer there than on the disk, which large reads go to.
type cached struct{ n *node }

func (c cached) ReadAt(p []byte, off int64) (int, error) {
	const piece = 16 << 10
	for done := 0; done < len(p); done += piece {
		q := p[done:min(done+piece, len(p))]
		if got, err := c.n.ReadAt(q, off+int64(done)); err != nil {
			return done + got, err
		}
	}
	return len(p), nil
}

// probe returns what a device holds now. Its Type is "" if that is not known.
func (s *Server) probe(device string) (*probe.Info, error) {
	n, err := s.openNode(device, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	d, look := s.device(device), probe.Probe
	if d != nil && d.Kind == unboot.KindPartition {
		look = probe.Partition
		// What it is a member of is written elsewhere on the disk.
		if c := d.Content; c != nil && c.Usage == probe.RAID && holds(wholeOf(d), c.Type) {
			return c, nil
		}
	}
	info, err := look(cached{n}, n.size)
	if err != nil {
		return nil, perror(err, "read: %s", device)
	}
	// A disk with partitions, or what stands for one, may have old superblocks between
	// them, or look like a FAT by its boot sector.
	if d != nil && d.Kind != unboot.KindPartition && d.Content == nil && len(partitionsOf(d)) > 0 {
		return &probe.Info{}, nil
	}
	return info, nil
}

// device returns a device as the image knows it, or nil.
func (s *Server) device(name string) *unboot.Device {
	img, err := s.image()
	if err != nil {
		return nil
	}
	d, err := img.Device(name)
	if err != nil {
		return nil
	}
	return d
}

// holds reports whether a device is of a type.
func holds(d *unboot.Device, kind string) bool {
	return d != nil && d.Content != nil && d.Content.Type == kind
}

// wholeOf returns the disk of a partition.
func wholeOf(partition *unboot.Device) *unboot.Device {
	for _, p := range partition.Parents() {
		return p
	}
	return nil
}

// partitionsOf returns the partitions of a device in the order of their numbers.
func partitionsOf(d *unboot.Device) []*unboot.Device {
	if d == nil {
		return nil
	}
	return slices.DeleteFunc(d.Children(), func(c *unboot.Device) bool { return c.Kind != unboot.KindPartition })
}

// wholeDisk returns the device if it is a whole disk, and an error that names the
// procedure's argument if it is not.
func (s *Server) wholeDisk(name string) (*unboot.Device, error) {
	d := s.device(name)
	if d == nil {
		return nil, perror(unix.ENOENT, "%s", name)
	}
	switch d.Kind {
	case unboot.KindDisk:
		return d, nil
	case unboot.KindPartition:
		return nil, notWhole(d)
	}
	return nil, errorf("%s: not a disk", name)
}

// notWhole is what is said to those who want the table of a partition.
func notWhole(d *unboot.Device) error {
	return errorf("%s: not a whole disk, but partition %d of %s", d.Name, d.Partition.Number, wholeOf(d).Name)
}

// partition returns a device that is a partition.
func (s *Server) partition(name string) (*unboot.Device, error) {
	d := s.device(name)
	if d == nil || d.Kind != unboot.KindPartition {
		return nil, errorf("device name is not a partition")
	}
	return d, nil
}

// devicesChanged says that something has been written to a device that may be a
// partition table or a file system. The next call sees what has become of it.
func (s *Server) devicesChanged() { s.engine.stale.Store(true) }

// rescan has the image see what has become of the devices. Partitions that are in
// use and have gone are an error.
func (s *Server) rescan() error {
	img, err := s.image()
	if err != nil {
		return err
	}
	s.engine.stale.Store(false)
	if err := img.Rescan(); err != nil {
		return fmt.Errorf("the kernel cannot take the new partitions: %w", err)
	}
	return nil
}
