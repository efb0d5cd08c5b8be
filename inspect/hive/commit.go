package hive

import (
	"bytes"
	"fmt"
	"io"
)

// Commit writes the whole hive to w, if it is open for writing (hivex_commit). The
// caller puts it into the place of the old file. The hive can be used and edited
// further.
func (h *Hive) Commit(w io.Writer) error {
	if h.edit == nil {
		return fmt.Errorf("commit hive: %w", ErrReadOnly)
	}
	h.seal()
	if _, err := w.Write(h.data); err != nil {
		return fmt.Errorf("commit hive: %w", err)
	}
	return nil
}

// Bytes returns what [Hive.Commit] would write.
func (h *Hive) Bytes() ([]byte, error) {
	var b bytes.Buffer
	if h.edit != nil {
		b.Grow(len(h.data))
	}
	err := h.Commit(&b)
	return b.Bytes(), err
}

// seal makes the header fit the rest. A hive that was dirty no longer is: what its
// logs hold is not to be applied to the state that it has now. A hive that was not
// changed stays as it was.
func (h *Hive) seal() {
	if !h.edit.changed && h.dirty == "" {
		return
	}
	h.edit.changed = false
	h.dirty = ""
	header := h.data[:headerSize]
	now := h.now()
	sequence := max(le.Uint32(header[hdrSequence1:]), le.Uint32(header[hdrSequence2:])) + 1
	le.PutUint32(header[hdrSequence1:], sequence)
	le.PutUint32(header[hdrSequence2:], sequence)
	le.PutUint64(header[hdrTime:], now)
	le.PutUint32(header[hdrBinsSize:], uint32(len(h.data)-headerSize))
	le.PutUint32(header[hdrChecksum:], checksum(header))
	if len(h.data) >= headerSize+binHeader { // the first bin has a copy of the time
		le.PutUint64(h.data[headerSize+20:], now)
	}
}
