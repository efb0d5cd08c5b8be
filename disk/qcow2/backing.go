package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/unboot/unboot/disk"
)

// SetBacking gives the image another backing file, or none if name is "", by writing that
// into its header: see [disk.Rebaser]. What is in the image's own clusters stays as it is.
// The new header is of one write, mostly within a sector.
func (m *Image) SetBacking(name, format string) error {
	err := m.mayChange(0, 0)
	if err == nil {
		// Nobody else changes anything meanwhile.
		unlock := m.w.ranges.lock(0, math.MaxInt64)
		err = m.w.setBacking(name, format)
		unlock()
	}
	if err != nil {
		return m.wrap("rebase", err)
	}
	return nil
}

func (w *writer) setBacking(name, format string) error {
	switch h := w.m.h; {
	case len(name) > maxName || len(format) > maxFormat:
		return fmt.Errorf("a backing file with a name of %d bytes and a format of %d; there may be %d and %d", len(name), len(format), maxName, maxFormat)
	case bytes.IndexByte([]byte(name+format), 0) >= 0:
		return errors.New("a zero byte in the name of the backing file or its format")
	case h.ExternalData && h.RawData && name != "":
		return errors.New("an image whose data file is a raw disk has no backing file")
	}
	if err := w.flush(); err != nil {
		return err
	}
	old := make([]byte, w.m.h.ClusterSize)
	if err := w.readTable(0, old); err != nil {
		return err
	}
	head, err := w.m.h.rebased(old, name, format)
	if err != nil {
		return err
	}
	if _, err := w.m.file.WriteAt(head, 0); err != nil {
		return err
	}
	return w.sync()
}

// rebased returns the first cluster with another backing file in it. Extensions that are
// not known stay.
func (h *Header) rebased(old []byte, name, format string) ([]byte, error) {
	b := bytes.Clone(old[:h.length])
	if name != "" && format != "" {
		b = appendExtension(b, extensionBackingFormat, []byte(format))
	}
	var dropped []byte
	for off, end := h.length, h.extensionsEnd(old); off+8 <= end; {
		kind, n := be.Uint32(old[off:]), int64(be.Uint32(old[off+4:]))
		if kind == extensionEnd {
			break
		}
		if n > end-off-8 {
			return nil, damaged("a header extension of %d bytes", n)
		}
		e := old[off+8:][:n]
		switch kind {
		case extensionBackingFormat:
		case extensionFeatureNames: // which may give way to a long name
			dropped = appendExtension(nil, kind, e)
		default:
			b = appendExtension(b, kind, e)
		}
		off += 8 + (n+7)&^7
	}
	tail := appendExtension(nil, extensionEnd, nil)
	if len(b)+len(dropped)+len(tail)+len(name) <= len(old) {
		b = append(b, dropped...)
	}
	b = append(b, tail...)
	if len(b)+len(name) > len(old) {
		return nil, fmt.Errorf("the name of the backing file does not fit into a cluster of %d bytes", len(old))
	}
	clear(b[8:20])
	if name != "" {
		be.PutUint64(b[8:], uint64(len(b)))
		be.PutUint32(b[16:], uint32(len(name)))
		b = append(b, name...)
	}
	// What was there before does not stay behind it.
	return append(b, make([]byte, len(old)-len(b))...), nil
}

// extensionsEnd returns where the extensions end at the latest.
func (h *Header) extensionsEnd(head []byte) int64 {
	end := int64(len(head))
	if at := be.Uint64(head[8:]); at != 0 && at < uint64(end) {
		end = int64(at)
	}
	return end
}

var _ disk.Rebaser = (*Image)(nil)
