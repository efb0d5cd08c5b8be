package vhdx

import (
	"bytes"
	"fmt"
)

// marshal returns the header as it is in the file, with its checksum.
func (h *header) marshal() []byte {
	b := make([]byte, headerSize)
	copy(b, h.raw)
	copy(b, "head")
	le.PutUint64(b[8:], h.sequence)
	copy(b[16:], h.fileWrite[:])
	copy(b[32:], h.dataWrite[:])
	copy(b[48:], h.logGUID[:])
	le.PutUint16(b[64:], h.logVersion)
	le.PutUint16(b[66:], headerVersion)
	le.PutUint32(b[68:], uint32(h.logLength))
	le.PutUint64(b[72:], uint64(h.logAt))
	le.PutUint32(b[checksumAt:], checksum(b))
	return b
}

// updateHeader changes the header: first in the place that does not count, which does once it
// is stable, then in the other one.
func (m *Image) updateHeader(change func(h *header)) error {
	if m.header.sequence >= 1<<64-3 {
		return damaged("a header has the sequence number %d", m.header.sequence)
	}
	for range 2 {
		h := *m.header
		h.raw = bytes.Clone(h.raw)
		change(&h)
		h.sequence++
		h.at = headerAt1 + headerAt2 - h.at
		h.raw = h.marshal()
		if _, err := m.file.WriteAt(h.raw, h.at); err != nil {
			return err
		}
		if err := m.file.Flush(); err != nil {
			return err
		}
		m.header = &h
	}
	return nil
}

// mark says in the header, before the first change, that the file and what is on the disk
// are not what they were. The caller holds mu.
func (m *Image) mark() error {
	if m.changed.Load() {
		return nil
	}
	if h := m.header; h.logLength < mib || h.logAt+h.logLength > m.file.Size() {
		return fmt.Errorf("%w: writing without a log (%d bytes at %d)", ErrFeature, h.logLength, h.logAt)
	}
	if err := m.updateHeader(func(h *header) { h.fileWrite, h.dataWrite = newGUID(), newGUID() }); err != nil {
		return err
	}
	m.changed.Store(true)
	return nil
}
