package vhd

import "github.com/unboot/unboot/disk"

// maxDirty is how many bytes of changed tables may wait to be written.
const maxDirty = 1 << 20

// Flush makes stable what has been written, as fdatasync(2).
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
	if !m.written.Swap(false) {
		return nil
	}
	if err := m.flushAll(); err != nil {
		m.written.Store(true)
		return err
	}
	return nil
}

// flushAll makes blocks stable before what refers to them, and what no longer refers to blocks
// before they are used again.
func (m *Image) flushAll() error {
	if err := m.file.Flush(); err != nil || m.cache.Dirty() == 0 {
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
			x.Discard(at, m.h.bitmap+m.h.block) // the host may not have it
		}
	}
	m.free = append(m.free, m.freed...)
	m.freed = nil
	return nil
}

// relieve writes back tables if too much of them waits for that. The caller holds mu.
func (m *Image) relieve() error {
	if m.cache.Dirty() < maxDirty {
		return nil
	}
	m.written.Store(true)
	return m.flush()
}
