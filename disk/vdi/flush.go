package vdi

import (
	"errors"

	"github.com/unboot/unboot/disk"
)

// maxPending is how many entries of the block map may wait to be written.
const maxPending = 1 << 14

// Flush makes stable what has been written, as fdatasync(2): first the blocks, then the
// block map.
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
	if err := m.writeBack(); err != nil {
		return err
	}
	return m.flushFile()
}

func (m *Image) flushFile() error {
	if !m.written.Swap(false) {
		return nil
	}
	err := m.file.Flush()
	if err != nil {
		m.written.Store(true)
	}
	return err
}

// relieve writes back the block map if too much of it waits for that. The caller holds mu.
func (m *Image) relieve() error {
	if len(m.order) < maxPending {
		return nil
	}
	return m.writeBack()
}

// writeBack makes the blocks stable, and then writes the number of them and the block map,
// in the order in which blocks got their places: whenever that ends, those places that are
// taken are the first ones. The caller holds mu.
func (m *Image) writeBack() error {
	if len(m.order) == 0 {
		return nil
	}
	if err := m.flushFile(); err != nil {
		return err
	}
	defer m.written.Store(true)
	if err := m.writeEnd(); err != nil {
		return err
	}
	var b [4]byte
	for i := 0; i < len(m.order); {
		// Those of one sector that follow each other are one write.
		sector := (m.h.mapAt + m.order[i]*4) / sectorSize
		j := i
		for ; j < len(m.order) && (m.h.mapAt+m.order[j]*4)/sectorSize == sector; j++ {
			le.PutUint32(b[:], m.pending[m.order[j]])
			if err := m.table.Write(b[:], m.h.mapAt+m.order[j]*4); err != nil {
				return err
			}
		}
		if err := m.table.WriteBack(); err != nil {
			return err
		}
		i = j
	}
	m.waiting.Lock()
	m.order = m.order[:0]
	clear(m.pending)
	m.waiting.Unlock()
	return nil
}

// writeEnd writes into the header how many places are taken.
func (m *Image) writeEnd() error {
	var b [4]byte
	le.PutUint32(b[:], uint32(m.end))
	m.written.Store(true)
	return m.patchHeader(b[:], allocatedAt)
}

// Close writes what of the block map has not been written yet, and closes the image and
// its parent.
func (m *Image) Close() error {
	m.mu.Lock()
	var err error
	if m.writable && m.changed.Load() {
		if err = m.flush(); err != nil {
			err = m.wrap("close", err)
		}
	}
	m.writable = false
	m.table.Drop()
	m.mu.Unlock()
	return errors.Join(err, m.closeParent(), m.file.Close())
}

// StartWriting has the host begin to write what it caches of the file, see
// [disk.WritebackStarter].
func (m *Image) StartWriting() { disk.StartWriting(m.file) }
