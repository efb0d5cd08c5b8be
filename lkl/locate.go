package lkl

import (
	"golang.org/x/sys/unix"
)

// locateMax is the most pieces that one read is answered with. A file that lies
// in more is read by the kernel.
const locateMax = 16

// locate reads into p, whose address in the window is addr, as opRead does. What
// the kernel has not read but found is read here: the calls of several goroutines
// then copy on several processors, where the kernel has one.
func (v *View) locate(fd int, p []byte, addr uint64, offset int64) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	mem, pieces := c.room(locateMax * sizeofPiece)
	n, err := c.do(opLocate, uint64(fd), addr, uint64(len(p)), uint64(offset), pieces, locateMax)
	if err != nil {
		return n, err
	}
	if n > len(p) {
		return -1, v.k.violated("read")
	}
	for len(mem) > 0 {
		var at abiPiece
		at, mem = loadPiece(mem), mem[sizeofPiece:]
		if at.Length == 0 {
			break
		}
		if err := v.k.server.readPiece(&at, p[:n], addr-windowBase); err != nil {
			return -1, err
		}
	}
	return n, nil
}

// readPiece reads a piece of p, which begins at an offset of the window. The
// numbers are the kernel process's.
func (s *server) readPiece(at *abiPiece, p []byte, start uint64) error {
	skip := at.Buffer - start // beyond all lengths if it is below
	if skip > uint64(len(p)) {
		return nil // behind the end of the file
	}
	p = p[skip:]
	p = p[:min(at.Length, uint64(len(p)))]
	d := s.hold(at.Disk)
	if d == nil {
		return unix.ENODEV
	}
	defer d.requests.Done()
	size := uint64(d.size)
	if at.Offset > size || uint64(len(p)) > size-at.Offset {
		return unix.EIO
	}
	if err := readAll(d.dev, p, int64(at.Offset)); err != nil {
		return errnoOf(err)
	}
	return nil
}

// hold returns a disk that stays open until its requests are one less, or nil.
func (s *server) hold(id uint32) *disk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || id >= maxDisks || s.disks[id] == nil {
		return nil
	}
	d := s.disks[id]
	d.requests.Add(1)
	return d
}
