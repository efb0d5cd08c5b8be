package vhdx

import (
	"syscall"

	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/tables"
)

// WriteAt writes to the disk, as io.WriterAt. Several goroutines may write at a time. A
// differencing image takes whole sectors. What was written is stable after [Image.Flush].
func (m *Image) WriteAt(p []byte, off int64) (int, error) {
	if err := m.begin(off, int64(len(p))); err != nil {
		return 0, m.wrap("write", err)
	}
	done := 0
	for done < len(p) {
		n, err := m.write(p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, m.wrap("write", err)
		}
	}
	return done, nil
}

// begin returns an error for what cannot be written, and marks the image as changed before
// it is.
func (m *Image) begin(off, n int64) error {
	switch {
	case !m.writable:
		return syscall.EROFS
	case off < 0 || n < 0 || off > m.meta.size || n > m.meta.size-off, m.meta.hasParent && (off|n)%m.meta.sector != 0:
		return syscall.EINVAL
	case n == 0 || m.changed.Load():
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepare(); err != nil {
		return err
	}
	return m.mark()
}

// write writes some of p, at most to the end of a block.
func (m *Image) write(p []byte, off int64) (int, error) {
	// Afterwards: a flush before that is not one of this write.
	defer m.written.Store(true)
	block, in := off>>m.meta.shift, off&(m.meta.block-1)
	p = p[:min(int64(len(p)), m.meta.block-in)]
	if done, n, err := m.overwrite(p, block, in); done {
		return n, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	state, at, err := m.block(block)
	if err != nil {
		return 0, err
	}
	switch state {
	case statePresent: // another goroutine has been here
		return m.writeBlock(p, at, in)
	case statePartial:
		// The bitmap must not say that it is there before it is.
		if n, err := m.writeBlock(p, at, in); err != nil {
			return n, err
		}
		if err := m.setBits(block, in, int64(len(p)), true); err != nil {
			return 0, err
		}
		return len(p), m.relieve()
	}
	return m.allocate(p, block, in, state)
}

// overwrite writes to sectors that the block has. done is false if it has not all of them.
func (m *Image) overwrite(p []byte, block, in int64) (done bool, n int, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	state, at, err := m.block(block)
	switch {
	case err != nil:
		return true, 0, err
	case state == statePartial:
		bitmap, err := m.bitmap(block)
		if err != nil {
			return true, 0, err
		}
		count := m.sectors(in, int64(len(p)))
		set, run, err := tables.Bits{File: m.tables, At: bitmap}.Run(in/m.meta.sector, count)
		if err != nil || !set || run < count {
			return err != nil, 0, tableError(err, "bitmap of a block", bitmap)
		}
	case state != statePresent:
		return false, 0, nil
	}
	n, err = m.writeBlock(p, at, in)
	return true, n, err
}

// writeBlock writes to a block that is at a place in the file.
func (m *Image) writeBlock(p []byte, at, in int64) (int, error) {
	if end := at + m.meta.block; end > m.end {
		return 0, damaged("a block ends at %d, past the end of the file (was it truncated?)", end)
	}
	return m.file.WriteAt(p, at+in)
}

// sectors returns how many sectors n bytes are in.
func (m *Image) sectors(in, n int64) int64 {
	return (in+n-1)/m.meta.sector - in/m.meta.sector + 1
}

// setBits has the bitmap say which sectors of a block are here. The caller holds mu.
func (m *Image) setBits(block, in, n int64, set bool) error {
	at, err := m.bitmap(block)
	if err != nil {
		return err
	}
	return tableError(tables.Bits{File: m.tables, At: at}.Set(in/m.meta.sector, m.sectors(in, n), set), "bitmap of a block", at)
}

// allocate writes p to a block that gets a place in the file. What the rest of it has was
// zeros, or is in the parent still. The caller holds mu.
func (m *Image) allocate(p []byte, block, in int64, state int) (int, error) {
	size := int64(len(p))
	partial := state == stateNotPresent && m.parent != nil && size < m.meta.block && block<<m.meta.shift < m.parent.Size()
	state = statePresent
	if partial {
		state = statePartial
		if err := m.addBitmap(block); err != nil {
			return 0, err
		}
	}
	at, err := m.alloc(m.meta.block)
	if err != nil {
		return 0, err
	}
	if n, err := m.file.WriteAt(p, at+in); err != nil {
		m.free = append(m.free, at)
		return n, err
	}
	if partial {
		err = m.setBits(block, 0, m.meta.block, false)
		if err == nil {
			err = m.setBits(block, in, size, true)
		}
		if err != nil {
			return 0, err
		}
	}
	if err := m.setEntry(m.entryAt(block), state, at); err != nil {
		return 0, err
	}
	return len(p), m.relieve()
}

// addBitmap gives the chunk of a block a bitmap block, if it has none.
func (m *Image) addBitmap(block int64) error {
	entry := m.bitmapEntryAt(block)
	state, _, err := m.entry(entry)
	if err != nil || state == statePresent {
		return err
	}
	at, err := m.alloc(bitmapBlock)
	if err != nil {
		return err
	}
	return m.setEntry(entry, statePresent, at)
}

// setEntry changes an entry of the block allocation table. The caller holds mu.
func (m *Image) setEntry(off int64, state int, at int64) error {
	return m.tables.Write(le.AppendUint64(nil, uint64(at)|uint64(state)), off)
}

// zero zeroes a part of the file.
func (m *Image) zero(at, n int64) error { return below.Zero(m.file, at, n) }
