package vhdx

import (
	"errors"

	"github.com/unboot/unboot/disk"
)

// Flush makes stable what has been written, as fdatasync(2).
func (m *Image) Flush() error {
	if !m.writable {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wrap("flush", m.flush())
}

// flush is Flush. The caller holds mu.
func (m *Image) flush() error {
	if !m.written.Swap(false) {
		return nil
	}
	err := m.flushAll()
	if err != nil {
		m.written.Store(true)
	}
	return err
}

// flushAll makes blocks stable before what refers to them, and that in the log before it is
// changed in its place.
func (m *Image) flushAll() error {
	if err := m.file.Flush(); err != nil || m.tables.Dirty() == 0 {
		return err
	}
	if err := m.log(m.tables.Changed()); err != nil {
		return err
	}
	if err := m.tables.WriteBack(); err != nil {
		return err
	}
	if err := m.file.Flush(); err != nil {
		return err
	}
	if x, ok := disk.As[disk.Discarder](m.file); ok {
		for _, at := range m.freed {
			x.Discard(at, m.meta.block) // the host may not have it
		}
	}
	m.free = append(m.free, m.freed...)
	m.freed = nil
	return nil
}

// relieve flushes if too much of the tables waits for that. The caller holds mu.
func (m *Image) relieve() error {
	if m.tables.Dirty() < maxChanged*logSector {
		return nil
	}
	m.written.Store(true)
	return m.flush()
}

// Close flushes what was written, says in the header that the log is empty, and closes the
// image and its parent.
func (m *Image) Close() error {
	m.mu.Lock()
	err := m.finish()
	m.writable = false
	m.mu.Unlock()
	err = errors.Join(m.wrap("close", err), m.file.Close())
	if m.parent != nil {
		err = errors.Join(err, m.parent.Close())
	}
	return err
}

// finish empties the log, of which all is in its place after a flush.
func (m *Image) finish() error {
	if !m.writable || !m.changed.Load() {
		return nil
	}
	if err := m.flush(); err != nil || m.header.logGUID == (GUID{}) {
		return err
	}
	return m.updateHeader(func(h *header) { h.logGUID = GUID{} })
}

// StartWriting has the host begin to write what it caches of the file, see
// [disk.WritebackStarter].
func (m *Image) StartWriting() { disk.StartWriting(m.file) }
