package qcow2

import (
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
)

// ReadAt reads from the disk, as io.ReaderAt. Several goroutines may read at a time.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, m.wrap("read", errors.New("negative offset"))
	}
	if err := m.locked(); err != nil {
		return 0, m.wrap("read", err)
	}
	size := m.Size()
	if off >= size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	var end error
	if left := size - off; int64(len(p)) > left {
		p, end = p[:left], io.EOF
	}
	done := 0
	for done < len(p) {
		n, err := m.readSome(p[done:], off+int64(done))
		if err != nil {
			return done, m.wrap("read", err)
		}
		done += n
	}
	return done, end
}

// readSome reads what there is in one segment.
func (m *Image) readSome(p []byte, off int64) (int, error) {
	defer m.hold()()
	return m.readHeld(p, off)
}

// readHeld is readSome for a caller that holds the clusters where they are.
func (m *Image) readHeld(p []byte, off int64) (int, error) {
	s, err := m.segment(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	return int(s.size), m.readSegment(p[:s.size], off, &s)
}

// hold has all clusters stay where they are until the function is called that it returns.
func (m *Image) hold() (release func()) {
	if m.w == nil {
		return func() {}
	}
	m.w.io.RLock()
	return m.w.io.RUnlock
}

// readSegment reads what is stored in one way.
func (m *Image) readSegment(p []byte, off int64, s *segment) error {
	switch s.kind {
	case disk.Data:
		return m.readData(p, off, s.host)
	case disk.Compressed:
		return m.readCompressed(p, off, s.entry)
	case disk.Hole:
		if m.backing != nil {
			return readBacking(m.backing, p, off)
		}
	}
	clear(p)
	return nil
}

// readBacking reads from the backing file, past the end of which there are zeros.
func readBacking(d disk.Device, p []byte, off int64) error {
	there := min(max(d.Size()-off, 0), int64(len(p)))
	clear(p[there:])
	if there == 0 {
		return nil
	}
	n, err := d.ReadAt(p[:there], off)
	if n == int(there) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readData reads from clusters. The last one may end past the end of the file, but
// not begin there, as QEMU's own check has it: that is a truncated file.
func (m *Image) readData(p []byte, off, host int64) error {
	if m.cipher != nil {
		return m.readCipher(p, off, host)
	}
	return m.readPlain(p, host)
}

// readPlain reads what is in clusters as it is there.
func (m *Image) readPlain(p []byte, host int64) error {
	last := (host + int64(len(p)) - 1) &^ int64(m.h.ClusterSize-1)
	if size := m.data.Size(); last >= size {
		return damaged("the cluster at %d lies past the end of the file, which has %d bytes (was it truncated?)", last, size)
	}
	return readBacking(m.data, p, host)
}
