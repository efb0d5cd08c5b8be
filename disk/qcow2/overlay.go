package qcow2

import (
	"fmt"
	"io"
)

// EmptyOverlay reports whether an image is an overlay that nothing was written to, so
// that it reads as its backing file does, whose name and format it returns (see
// [Header]). Libguestfs and others make these to write to an image without changing it.
//
// The overlay may be larger or smaller than its backing file: what is wanted is the
// backing file's first [Header.Size] bytes, followed by zeros if it has less.
//
// ok is false for an image that has clusters, or tables for them even if these are
// empty, that has no backing file, or that this package cannot read.
func EmptyOverlay(r io.ReaderAt) (backing, format string, ok bool) {
	h, err := ReadHeader(r)
	if err != nil || h.check() != nil || h.Encryption != "" || h.BackingFile == "" || h.ExternalData {
		return "", "", false
	}
	if empty, err := h.emptyL1(r); err != nil || !empty {
		return "", "", false
	}
	return h.BackingFile, h.BackingFormat, true
}

// emptyL1 reports whether the L1 table, of at most 32 MiB, has no entries.
func (h *Header) emptyL1(r io.ReaderAt) (bool, error) {
	left := int64(h.l1Size) * 8
	buf := make([]byte, min(left, 64<<10))
	for off := h.l1Offset; left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		if err := readFull(r, b, off); err != nil {
			return false, fmt.Errorf("read the L1 table: %w", err)
		}
		for i := 0; i < len(b); i += 8 {
			if be.Uint64(b[i:])&entryOffset != 0 {
				return false, nil
			}
		}
		off += int64(len(b))
		left -= int64(len(b))
	}
	return true, nil
}
