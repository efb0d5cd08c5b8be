package vhd

import (
	"slices"

	"github.com/unboot/unboot/disk"
)

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
	last := false // what is freed are the last blocks of the file
	for _, at := range m.freed {
		last = last || at+m.h.bitmap+m.h.block >= m.end
		if x, ok := disk.As[disk.Discarder](m.file); ok {
			x.Discard(at, m.h.bitmap+m.h.block) // the host may not have it
		}
	}
	m.free = append(m.free, m.freed...)
	m.freed = nil
	if last && m.f.Kind == Dynamic {
		return m.cutOff()
	}
	return nil
}

// cutOff has the file end after the last block. QEMU takes that for the end, and what stands
// after it for zeros, where an old footer would show on the disk.
func (m *Image) cutOff() error {
	r, ok := disk.As[disk.Resizer](m.file)
	if !ok {
		return nil
	}
	end := max(footerSize, int64(m.f.header)+headerSize, roundUp(m.h.table+m.h.entries*4, sector))
	for i := range m.h.blocks(m.size) {
		at, err := m.blockAt(i)
		if err != nil {
			return err
		}
		if at != 0 {
			end = max(end, at+m.h.bitmap+m.h.block)
		}
	}
	if end >= m.end {
		return nil
	}
	if _, err := m.file.WriteAt(m.f.raw[:], end); err != nil {
		return err
	}
	if err := m.file.Flush(); err != nil {
		return err
	}
	if err := r.Resize(end + footerSize); err != nil {
		return err
	}
	m.end = end
	m.free = slices.DeleteFunc(m.free, func(at int64) bool { return at >= end })
	return m.file.Flush()
}

// relieve writes back tables if too much of them waits for that. The caller holds mu.
func (m *Image) relieve() error {
	if m.cache.Dirty() < maxDirty {
		return nil
	}
	m.written.Store(true)
	return m.flush()
}

// StartWriting has the host begin to write what it caches of the file, see
// [disk.WritebackStarter].
func (m *Image) StartWriting() { disk.StartWriting(m.file) }
