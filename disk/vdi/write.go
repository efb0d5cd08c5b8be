package vdi

import (
	"fmt"
	"math/rand/v2"
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
		n, err := m.write(p[done:], off)
		done += n
		off += int64(n)
		if err != nil {
			return done, m.wrap("write", err)
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
	case off < 0 || n < 0 || off > m.h.Size || n > m.h.Size-off:
		return syscall.EINVAL
	case n == 0 || m.changed.Load():
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed.Load() {
		return nil
	}
	// A new identity of the content, by which images with changes to the old one know.
	u := newUUID()
	defer m.written.Store(true)
	if err := m.patchHeader(u[:], modifyAt); err != nil {
		return err
	}
	m.changed.Store(true)
	return nil
}

func newUUID() (u UUID) {
	le.PutUint64(u[:], rand.Uint64())
	le.PutUint64(u[8:], rand.Uint64())
	u[7] = u[7]&0x0f | 0x40 // version 4, at random
	u[8] = u[8]&0x3f | 0x80
	return u
}

// patchHeader changes a part of the header.
func (m *Image) patchHeader(p []byte, at int) error {
	b := make([]byte, headerSize)
	if err := readFull(m.file, b, 0); err != nil {
		return err
	}
	copy(b[at:], p)
	_, err := m.file.WriteAt(b, 0)
	return err
}

// write writes some of p.
func (m *Image) write(p []byte, off int64) (int, error) {
	s, err := m.segment(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	if s.Kind != disk.Data {
		m.mu.Lock()
		defer m.mu.Unlock()
		// Another goroutine may have been here.
		if s, err = m.segment(off, int64(len(p))); err != nil {
			return 0, err
		}
	}
	p = p[:s.Size]
	if s.Kind == disk.Data {
		if err := m.inFile(off, s.Host, s.Size, m.file.Size()); err != nil {
			return 0, err
		}
		// Afterwards: a flush before that is not one of this write.
		defer m.written.Store(true)
		return m.file.WriteAt(p, s.Host)
	}
	p = p[:min(s.Size, m.h.BlockSize-off%m.h.BlockSize)]
	return m.allocate(p, off, s.Kind)
}

// allocate writes p to a block that gets a place in the file. What the rest of the block
// has was a hole or zeros. The caller holds mu.
func (m *Image) allocate(p []byte, off int64, kind disk.ExtentKind) (int, error) {
	block, in := off/m.h.BlockSize, off%m.h.BlockSize
	slot := m.used.firstFree()
	if slot >= m.h.Blocks {
		return 0, fmt.Errorf("all %d blocks of the file are in use: %w", m.h.Blocks, syscall.ENOSPC)
	}
	defer m.written.Store(true)
	host := m.h.dataOf(slot)
	var err error
	if kind == disk.Hole && m.parent != nil || !m.growTo(host-m.h.extra, host+m.h.BlockSize) {
		whole := p
		if int64(len(p)) < m.h.BlockSize {
			whole = make([]byte, m.h.BlockSize)
			if kind == disk.Hole && m.parent != nil {
				if err = below.Read(m.parent, whole, off-in); err != nil {
					return 0, err
				}
			}
			copy(whole[in:], p)
		}
		_, err = m.file.WriteAt(whole, host)
	} else {
		_, err = m.file.WriteAt(p, host+in)
	}
	if err != nil {
		return 0, err
	}
	m.used.set(slot)
	m.end = max(m.end, slot+1)
	m.setEntry(block, uint32(slot))
	return len(p), m.relieve()
}

// growTo gives the file a size by which it has room for a block, as zeros, if it ends
// before that.
func (m *Image) growTo(start, end int64) bool {
	r, ok := disk.As[disk.Resizer](m.file)
	return ok && m.file.Size() <= start && r.Resize(end) == nil
}

// setEntry changes an entry of the block map, which is written later. The caller holds mu.
func (m *Image) setEntry(block int64, e uint32) {
	m.waiting.Lock()
	if _, ok := m.pending[block]; !ok {
		m.order = append(m.order, block)
	}
	m.pending[block] = e
	m.waiting.Unlock()
}
