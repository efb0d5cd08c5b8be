package lkl

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	offDiskName = 32 // of abiDisk.Name
	diskNameMax = 32
)

// AttachDisk gives the kernel a disk and returns its name, such as "sda". The
// disk has no node in /dev unless a devtmpfs is mounted there: its numbers are
// in /sys/block/NAME/dev. Partitions have been found when it returns.
func (k *Kernel) AttachDisk(d Disk) (name string, err error) {
	prep, err := d.prepare()
	if err != nil {
		return "", err
	}
	if name, err = k.addDisk(prep); err != nil {
		prep.disk.close()
		return "", err
	}
	return name, nil
}

// A prepared disk is one that is ready to be announced to the kernel.
type prepared struct {
	disk *disk
	abi  abiDisk
	fds  []int // for the kernel process: of the base, of the overlay
}

func (k *Kernel) addDisk(p *prepared) (string, error) {
	s := k.state
	s.attachMu.Lock()
	defer s.attachMu.Unlock()
	c, err := k.begin()
	if err != nil {
		return "", err
	}
	defer c.end()

	id, err := s.server.add(p.disk)
	if err != nil {
		return "", err
	}
	p.abi.ID = id
	name, err := s.tellDisk(c, p)
	if err != nil {
		s.server.remove(id)
		return "", err
	}
	s.server.setName(id, name)
	return name, nil
}

// tellDisk makes the request, with the descriptors.
//
// Preconditions: attachMu is held.
func (s *state) tellDisk(c *call, p *prepared) (string, error) {
	mem, addr := c.room(sizeofDisk)
	storeDisk(mem, &p.abi)
	err := s.pass(c, p.fds, opDiskAdd, addr)
	if err != nil {
		return "", err
	}
	field := bytes.Clone(mem[offDiskName : offDiskName+diskNameMax])
	name, _, ok := bytes.Cut(field, []byte{0})
	if !ok || badName(name) {
		return "", s.violated("disk name")
	}
	return string(name), nil
}

// DetachDisk takes away a disk by the name that AttachDisk gave. It is
// unix.EBUSY while the disk is mounted or otherwise in use, and unix.ENODEV
// if there is none. When it has returned nil, the File, Device and Overlay are
// not used any more.
func (k *Kernel) DetachDisk(name string) error {
	id, d := k.server.find(name)
	if d == nil {
		if err := k.endError(); err != nil {
			return err
		}
		return unix.ENODEV
	}
	if _, err := k.call(opDiskDel, uint64(id)); err != nil {
		return err
	}
	if k.server.remove(id) {
		d.close()
	}
	return nil
}

// add gives a disk an id and takes requests for it.
func (s *server) add(d *disk) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	for id := range s.disks {
		if s.disks[id] == nil {
			s.disks[id] = d
			s.attached = true
			return uint32(id), nil
		}
	}
	return 0, fmt.Errorf("lkl: more than %d disks: %w", maxDisks, unix.ENOSPC)
}

// remove takes no more requests for a disk. It returns false if another caller
// has removed it.
func (s *server) remove(id uint32) bool {
	s.mu.Lock()
	d := s.disks[id]
	s.disks[id] = nil
	s.mu.Unlock()
	if d != nil {
		d.requests.Wait()
	}
	return d != nil
}

func (s *server) setName(id uint32, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.disks[id]; d != nil {
		d.name = name
	}
}

func (s *server) find(name string) (uint32, *disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, d := range s.disks {
		if d != nil && d.name == name && name != "" {
			return uint32(id), d
		}
	}
	return 0, nil
}

// prepare opens what the disk needs and checks it.
func (d *Disk) prepare() (_ *prepared, err error) {
	if (d.File == nil) == (d.Device == nil) {
		return nil, errors.New("lkl: a disk needs a File or a Device, and not both")
	}
	p := &prepared{disk: &disk{}}
	defer func() {
		if err != nil {
			p.disk.close()
		}
	}()
	if d.File != nil {
		err = p.file(d)
	} else {
		err = p.device(d)
	}
	if err != nil {
		return nil, err
	}
	p.disk.readOnly = d.ReadOnly && d.Overlay == nil
	if p.disk.readOnly {
		p.abi.Flags |= diskRdonly
		p.abi.Flags &^= diskDiscard | diskZeroes
	}
	if d.SectorSize != 0 {
		p.abi.LogicalBlock = uint32(d.SectorSize)
		p.abi.PhysicalBlock = max(p.abi.PhysicalBlock, p.abi.LogicalBlock)
	}
	if d.PhysicalSize != 0 {
		p.abi.PhysicalBlock = uint32(d.PhysicalSize)
	}
	if l := p.abi.LogicalBlock; l < 512 || l > 4096 || l&(l-1) != 0 {
		return nil, fmt.Errorf("lkl: sector size %d is not a power of two from 512 to 4096", l)
	}
	p.abi.Size = uint64(p.disk.size)
	return p, nil
}

func (p *prepared) device(d *Disk) error {
	p.disk.dev = d.Device
	p.disk.size = d.Device.Size()
	if p.disk.size < 0 {
		return fmt.Errorf("lkl: a device of %d bytes", p.disk.size)
	}
	p.abi.LogicalBlock, p.abi.PhysicalBlock = 512, 4096
	if d.Overlay != nil {
		fd, err := dup(d.Overlay)
		if err != nil {
			return err
		}
		p.disk.closers = append(p.disk.closers, fd)
		p.disk.dev = newCow(d.Device, &hostFile{fd: fd}, d.OverlayLimit)
		return nil
	}
	if _, ok := d.Device.(Discarder); ok {
		p.abi.Flags |= diskDiscard
	}
	if _, ok := d.Device.(ZeroWriter); ok {
		p.abi.Flags |= diskZeroes
	}
	return nil
}

func (p *prepared) file(d *Disk) error {
	fd, err := dup(d.File)
	if err != nil {
		return err
	}
	if d.ReadOnly || d.Overlay != nil {
		fd = readOnlyAgain(fd)
	}
	p.disk.closers = append(p.disk.closers, fd)
	p.fds = append(p.fds, fd)
	f := &hostFile{fd: fd}
	p.disk.dev = f
	p.abi.Flags |= diskFD
	if err := p.probe(f, !d.ReadOnly && d.Overlay == nil); err != nil {
		return &os.PathError{Op: "attach", Path: d.File.Name(), Err: err}
	}
	if d.Overlay == nil {
		return nil
	}
	ov, err := dup(d.Overlay)
	if err != nil {
		return err
	}
	p.disk.closers = append(p.disk.closers, ov)
	p.fds = append(p.fds, ov)
	p.abi.Flags |= diskOverlay
	p.abi.OverlayLimit = uint64(max(d.OverlayLimit, 0))
	return nil
}
