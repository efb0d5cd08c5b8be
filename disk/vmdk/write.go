package vmdk

import (
	"fmt"
	"math"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// WriteAt writes to the disk, as io.WriterAt. Several goroutines may write at a time.
// What was written is stable after [Image.Flush].
func (m *Image) WriteAt(p []byte, off int64) (int, error) {
	if err := m.begin(off, int64(len(p))); err != nil {
		return 0, m.wrap("write", err)
	}
	done := 0
	for done < len(p) {
		e := m.extents[m.extent(off)]
		in := off - e.start
		piece := p[done:][:min(int64(len(p)-done), e.size-in)]
		n, err := m.writeExtent(e, piece, in)
		done += n
		off += int64(n)
		if err != nil {
			return done, m.wrap("write", e.wrap(err))
		}
	}
	return done, nil
}

// begin returns an error for what cannot be written to, and marks the image as changed
// before it is.
func (m *Image) begin(off, n int64) error {
	switch {
	case !m.writable:
		return syscall.EROFS
	case off < 0 || n < 0 || off > m.size || n > m.size-off:
		return syscall.EINVAL
	case n == 0 || m.changed.Load():
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed.Load() {
		return nil
	}
	if err := m.mark(); err != nil {
		return err
	}
	m.changed.Store(true)
	return nil
}

// writeExtent writes some of p to an extent, at off of it.
func (m *Image) writeExtent(e *extent, p []byte, off int64) (int, error) {
	if e.access != "RW" {
		return 0, syscall.EROFS
	}
	s, err := m.segment(e, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	if s.Kind != disk.Data {
		if e.sparse == nil {
			return 0, fmt.Errorf("an extent of zeros is not written to: %w", syscall.EROFS)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		// Another goroutine may have been here.
		if s, err = m.segment(e, off, int64(len(p))); err != nil {
			return 0, err
		}
	}
	p = p[:s.Size]
	if s.Kind == disk.Data {
		return m.writeData(e, p, off, s.Host)
	}
	return m.allocate(e, p, off, s.Kind)
}

// writeData writes to what is there.
func (m *Image) writeData(e *extent, p []byte, off, host int64) (int, error) {
	// Afterwards: a flush before that is not one of this write.
	defer e.written.Store(true)
	if e.sparse == nil {
		return e.flat.WriteAt(p, host)
	}
	if err := e.sparse.inFile(off, host, int64(len(p)), e.sparse.file.Size()); err != nil {
		return 0, err
	}
	return e.sparse.file.WriteAt(p, host)
}

// maxSector is the last sector of a file that a grain table can refer to.
const maxSector = math.MaxUint32

// allocate writes some of p, which is at off of an extent, to new grains: to whole ones,
// or to a part of the first. What the rest of that has was a hole or zeros. The caller
// holds mu.
func (m *Image) allocate(e *extent, p []byte, off int64, kind disk.ExtentKind) (int, error) {
	s := e.sparse
	in := off % s.grainSize
	grain := p
	if n := int64(len(p)) / s.grainSize; in == 0 && n > 0 {
		p = p[:n*s.grainSize]
		grain = p
	} else {
		p = p[:min(int64(len(p)), s.grainSize-in)]
		var err error
		if grain, err = m.wholeGrain(e, p, off, kind); err != nil {
			return 0, err
		}
	}
	host, size := s.next, int64(len(grain))
	if (host+size)/sectorSize > maxSector {
		return 0, fmt.Errorf("the file would have more than %d sectors: %w", int64(maxSector), syscall.EFBIG)
	}
	first := off / s.grainSize
	n := size / s.grainSize
	// The tables come before the grains, as they take their room from the same place.
	for g := first; g < first+n; g += s.entries - g%s.entries {
		if err := s.makeTables(g); err != nil {
			return 0, err
		}
	}
	host = s.next
	defer e.written.Store(true)
	if _, err := s.file.WriteAt(grain, host); err != nil {
		return 0, err
	}
	s.next += size
	for g := first; g < first+n; g++ {
		if err := s.setEntry(g, uint32((host+(g-first)*s.grainSize)/sectorSize)); err != nil {
			return 0, err
		}
	}
	return len(p), m.relieve()
}

// wholeGrain returns what a grain has after a part of it was written to.
func (m *Image) wholeGrain(e *extent, p []byte, off int64, kind disk.ExtentKind) ([]byte, error) {
	size := e.sparse.grainSize
	grain := make([]byte, size)
	in := off % size
	start := off - in // the last grain may pass the end of the extent
	if kind == disk.Hole && m.parent != nil {
		end := min(e.size-start, size)
		if err := below.Read(m.parent, grain[:in], e.start+start); err != nil {
			return nil, err
		}
		if tail := in + int64(len(p)); tail < end {
			if err := below.Read(m.parent, grain[tail:end], e.start+start+tail); err != nil {
				return nil, err
			}
		}
	}
	copy(grain[in:], p)
	return grain, nil
}

// makeTables makes the grain tables of a grain, in both directories, if they are not
// there. They are zeros in the file before the directory has them, as all data.
func (s *sparse) makeTables(grain int64) error {
	for _, directory := range s.directories() {
		table, err := s.tableFor(directory, grain)
		if err != nil || table != 0 {
			if err != nil {
				return err
			}
			continue
		}
		size := (s.entries*4 + s.grainSize - 1) / s.grainSize * s.grainSize
		if (s.next+size)/sectorSize > maxSector {
			return syscall.EFBIG
		}
		if _, err := s.file.WriteAt(make([]byte, size), s.next); err != nil {
			return err
		}
		var b [4]byte
		le.PutUint32(b[:], uint32(s.next/sectorSize))
		if err := s.table.Write(b[:], directory+grain/s.entries*4); err != nil {
			return err
		}
		s.next += size
	}
	return nil
}

// directories returns where the grain directories are. The one that is read is the last,
// so that the other one has been written when it is.
func (s *sparse) directories() []int64 {
	if s.redundant == 0 {
		return []int64{s.directory}
	}
	return []int64{s.redundant, s.directory}
}

// setEntry sets the entry of a grain in the tables of both directories.
func (s *sparse) setEntry(grain int64, value uint32) error {
	var b [4]byte
	le.PutUint32(b[:], value)
	for _, directory := range s.directories() {
		table, err := s.tableFor(directory, grain)
		if err != nil {
			return err
		}
		if table == 0 {
			return damaged("one of the grain directories has no table for grain %d", grain)
		}
		if err := s.table.Write(b[:], table+grain%s.entries*4); err != nil {
			return err
		}
	}
	return nil
}
