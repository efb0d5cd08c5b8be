package vmdk

import (
	"errors"
	"math/rand/v2"

	"github.com/unboot/unboot/disk"
)

// Flush makes stable what has been written, as fdatasync(2): first the grains, then the
// tables.
func (m *Image) Flush() error {
	if !m.writable {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.flush(); err != nil {
		return m.wrap("flush", err)
	}
	return nil
}

// flush is Flush. The caller holds mu.
func (m *Image) flush() error {
	if !m.changed.Load() {
		return nil
	}
	if m.cache.Dirty() > 0 {
		if err := m.writeBack(); err != nil {
			return err
		}
	}
	if err := m.flushWritten(); err != nil {
		return err
	}
	// The descriptor has a new CID, or the image is of one file, and that was flushed.
	if m.extents[0].file != nil {
		return m.file.Flush()
	}
	return nil
}

// writeBack makes the grains stable, and then writes the tables. The caller holds mu.
func (m *Image) writeBack() error {
	if err := m.flushWritten(); err != nil {
		return err
	}
	for _, e := range m.extents {
		if e.sparse != nil && e.sparse.hosted {
			e.written.Store(true)
			if err := e.sparse.table.WriteBack(); err != nil {
				return e.wrap(err)
			}
		}
	}
	return nil
}

// flushWritten flushes the extents that were written to.
func (m *Image) flushWritten() error {
	for _, e := range m.extents {
		if !e.written.Swap(false) {
			continue
		}
		file := m.file
		if e.file != nil {
			file = e.file
		}
		if err := file.Flush(); err != nil {
			e.written.Store(true)
			return e.wrap(err)
		}
	}
	return nil
}

// relieve writes back the tables if too much of them waits for that. The caller holds mu.
func (m *Image) relieve() error {
	if m.cache.Dirty() < maxDirty {
		return nil
	}
	return m.writeBack()
}

// mark gives the image a new CID, so that images with changes to the old content are
// known not to be of the new, and says in the headers of the sparse extents that they are
// being written to. The caller holds mu.
func (m *Image) mark() error {
	digits := m.desc.setCID(rand.Uint32())
	at := m.desc.at + int64(m.desc.cidAt)
	var err error
	if m.desc.at == 0 {
		// A file of its own, whose length is not that of sectors.
		_, err = m.file.WriteAt(digits, at)
	} else {
		err = patch(m.file, digits, at)
	}
	if err != nil {
		return err
	}
	copy(m.desc.text[m.desc.cidAt:], digits)
	return m.setUnclean(1)
}

// setUnclean sets the byte of the headers that says whether extents are being written to.
func (m *Image) setUnclean(value byte) error {
	for _, e := range m.extents {
		if e.sparse != nil && e.sparse.hosted {
			e.written.Store(true)
			if err := patch(e.sparse.file, []byte{value}, uncleanAt); err != nil {
				return e.wrap(err)
			}
		}
	}
	return nil
}

// patch changes a part of one or two sectors.
func patch(d disk.Device, p []byte, off int64) error {
	start := off &^ (sectorSize - 1)
	b := make([]byte, (off+int64(len(p))-start+sectorSize-1)&^(sectorSize-1))
	if err := readFull(d, b, start); err != nil {
		return err
	}
	copy(b[off-start:], p)
	_, err := d.WriteAt(b, start)
	return err
}

// Close writes what of the tables has not been written yet, and closes the image and the
// files that were opened with it.
func (m *Image) Close() error {
	var err error
	m.mu.Lock()
	if m.changed.Load() {
		if err = m.flush(); err == nil {
			err = m.setUnclean(0)
		}
		if err != nil {
			err = m.wrap("close", err)
		}
		m.changed.Store(false)
	}
	m.writable = false
	m.mu.Unlock()
	return errors.Join(err, m.closeOthers(), m.file.Close())
}

// StartWriting has the host begin to write what it caches of the files, see
// [disk.WritebackStarter].
func (m *Image) StartWriting() {
	for _, e := range m.extents {
		switch {
		case e.file != nil:
			disk.StartWriting(e.file)
		case e.sparse != nil:
			disk.StartWriting(e.sparse.file)
		}
	}
}
