package vhd

import (
	"bytes"
	"syscall"

	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/tables"
)

// maxScan is how many entries the table of an image may have that is written to: those of
// 2040 GiB in blocks of 128 KiB.
const maxScan = 1 << 24

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

// begin returns an error for what cannot be written.
func (m *Image) begin(off, n int64) error {
	switch {
	case !m.writable:
		return syscall.EROFS
	case off < 0 || n < 0 || off > m.size || n > m.size-off, m.f.Kind == Differencing && (off|n)%sector != 0:
		return syscall.EINVAL
	case m.h == nil && off+n > m.end:
		return damaged("a disk of %d bytes of which the file has %d (was it truncated?)", m.size, m.end)
	}
	return nil
}

// write writes some of p, at most to the end of a block.
func (m *Image) write(p []byte, off int64) (int, error) {
	// Afterwards: a flush before that is not one of this write.
	defer m.written.Store(true)
	if m.h == nil {
		return m.file.WriteAt(p, off)
	}
	in := off & (m.h.block - 1)
	p = p[:min(int64(len(p)), m.h.block-in)]
	if done, n, err := m.overwrite(p, off>>m.h.shift, in); done {
		return n, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepare(); err != nil {
		return 0, err
	}
	at, err := m.blockAt(off >> m.h.shift)
	if err != nil {
		return 0, err
	}
	if at == 0 {
		return m.allocate(p, off>>m.h.shift, in)
	}
	// Other bits of the bitmap must not say that it is there before it is.
	if n, err := m.writeBlock(p, at, in); err != nil {
		return n, err
	}
	if err := m.mark(at, in, int64(len(p))); err != nil {
		return 0, err
	}
	return len(p), m.relieve()
}

// overwrite writes to sectors that the block has. done is false if it has not all of them.
func (m *Image) overwrite(p []byte, block, in int64) (done bool, n int, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.blockAt(block)
	if err != nil || at == 0 {
		return err != nil, 0, err
	}
	if ok, err := m.marked(at, in, int64(len(p))); err != nil || !ok {
		return err != nil, 0, err
	}
	n, err = m.writeBlock(p, at, in)
	return true, n, err
}

// writeBlock writes to a block that is at a place in the file.
func (m *Image) writeBlock(p []byte, at, in int64) (int, error) {
	if end := at + m.h.bitmap + m.h.block; end > m.file.Size() {
		return 0, damaged("a block ends at %d, past the end of the file (was it truncated?)", end)
	}
	return m.file.WriteAt(p, at+m.h.bitmap+in)
}

// bitmap returns the bitmap of a block, which is before it.
func (m *Image) bitmap(at int64) tables.Bits { return tables.Bits{File: m.tables, At: at, High: true} }

// marked reports whether the bitmap says that all of a part of a block is there.
func (m *Image) marked(at, in, n int64) (bool, error) {
	count := (in+n-1)/sector - in/sector + 1
	set, run, err := m.bitmap(at).Run(in/sector, count)
	return set && run == count, tableError(err, "bitmap of a block", at)
}

// mark has the bitmap say that sectors are there. The caller holds mu.
func (m *Image) mark(at, in, n int64) error {
	err := m.bitmap(at).Set(in/sector, (in+n-1)/sector-in/sector+1, true)
	return tableError(err, "bitmap of a block", at)
}

// prepare looks, before blocks are changed, where they can be added. The caller holds mu.
func (m *Image) prepare() error {
	if m.ready {
		return nil
	}
	if n := m.h.blocks(m.size); n > maxScan {
		return damaged("%d blocks, which are too many to write to", n)
	}
	size := m.file.Size()
	m.end = roundUp(size, sector)
	if _, err := footerAt(m.file, size-footerSize, footerSize); err == nil {
		m.end = roundUp(size-footerSize, sector)
	}
	for i := range m.h.blocks(m.size) {
		at, err := m.blockAt(i)
		if err != nil {
			return err
		}
		if end := at + m.h.bitmap + m.h.block; at != 0 && end > m.end {
			return damaged("block %d ends at %d of %d (was the file truncated?)", i, end, m.end)
		}
	}
	if f, err := footerAt(m.file, 0, footerSize); err != nil || f.raw != m.f.raw {
		if _, err := m.file.WriteAt(m.f.raw[:], 0); err != nil {
			return err
		}
	}
	m.ready = true
	return nil
}

// allocate writes p to a block that gets a place in the file. The caller holds mu.
func (m *Image) allocate(p []byte, block, in int64) (int, error) {
	var at int64
	if last := len(m.free) - 1; last >= 0 {
		at = m.free[last]
		if err := below.Zero(m.file, at+m.h.bitmap, m.h.block); err != nil {
			return 0, err
		}
		m.free = m.free[:last]
	} else {
		// The data begins with a page of the host.
		at = roundUp(m.end+m.h.bitmap, 4096) - m.h.bitmap
		end := at + m.h.bitmap + m.h.block
		if end/sector > unused {
			return 0, syscall.EFBIG
		}
		// The end of the file has a footer at any time.
		if _, err := m.file.WriteAt(m.f.raw[:], end); err != nil {
			return 0, err
		}
		m.end = end
	}
	fill := byte(0)
	if m.f.Kind == Dynamic {
		fill = 0xff // as QEMU does: the rest is zeros
	}
	bitmap := bytes.Repeat([]byte{fill}, int(m.h.bitmap))
	if _, err := m.file.WriteAt(bitmap, at); err != nil {
		m.free = append(m.free, at)
		return 0, err
	}
	// What is cached of that place is not so any more.
	for i := int64(0); i < m.h.bitmap; i += sector {
		if err := m.tables.Write(bitmap[i:i+sector], at+i); err != nil {
			return 0, err
		}
	}
	n, err := m.file.WriteAt(p, at+m.h.bitmap+in)
	if err == nil {
		err = m.mark(at, in, int64(len(p)))
	}
	if err != nil {
		m.free = append(m.free, at)
		return 0, err
	}
	if err := m.setEntry(block, uint32(at/sector)); err != nil {
		return 0, err
	}
	return n, m.relieve()
}

// setEntry changes an entry of the block allocation table. The caller holds mu.
func (m *Image) setEntry(block int64, e uint32) error {
	var b [4]byte
	be.PutUint32(b[:], e)
	return m.tables.Write(b[:], m.h.table+block*4)
}
