package hive

// A ref is how the file refers to a cell: its offset in bytes, without the header.
type ref uint32

// none is the ref to nothing.
const none ref = 0xffffffff

func (r ref) offset() int64 { return int64(r) + headerSize }

// cellSize returns how many bytes are in an allocated cell, without its size.
func (h *Hive) cellSize(at ref) (int64, error) {
	bins := h.size() - headerSize
	if at%cellAlign != 0 || at < binHeader || int64(at)+4 > bins {
		return 0, corrupt(at, "no cell can be here")
	}
	if h.edit != nil && !h.edit.has(at, cellStart) {
		return 0, corrupt(at, "no cell begins here")
	}
	b, err := h.view(at.offset(), 4)
	if err != nil {
		return 0, err
	}
	size := -int64(int32(le.Uint32(b)))
	switch {
	case size <= 0:
		return 0, corrupt(at, "the cell is not in use")
	case size%cellAlign != 0 || int64(at)+size > bins:
		return 0, corrupt(at, "a cell of %d bytes", size)
	}
	return size - 4, nil
}

// cell returns the first n bytes of an allocated cell, or all if it has fewer, and how
// many it has.
func (h *Hive) cell(at ref, n int64) ([]byte, int64, error) {
	size, err := h.cellSize(at)
	if err != nil {
		return nil, 0, err
	}
	b, err := h.view(at.offset()+4, min(n, size))
	return b, size, err
}

// record returns n bytes of a cell that begins with a signature of two letters, and how
// many it has.
func (h *Hive) record(at ref, signature string, n int64) ([]byte, int64, error) {
	b, size, err := h.cell(at, n)
	if err != nil {
		return nil, 0, err
	}
	if size < n || string(b[:2]) != signature {
		return nil, 0, corrupt(at, "not a record of kind %s", signature)
	}
	return b, size, nil
}

// named returns a record of n bytes and the name that follows them, whose length is in a
// field of the record.
func (h *Hive) named(at ref, signature string, n int64, field int) ([]byte, error) {
	b, size, err := h.record(at, signature, n)
	if err != nil {
		return nil, err
	}
	length := int64(le.Uint16(b[field:]))
	if length > size-n {
		return nil, corrupt(at, "a name of %d bytes in a record of %d", length, size)
	}
	return h.view(at.offset()+4, n+length)
}

// getRef reads a ref.
func getRef(b []byte) ref { return ref(le.Uint32(b)) }

func putRef(b []byte, r ref) { le.PutUint32(b, uint32(r)) }

// refs reads n refs from a cell that holds nothing else.
func (h *Hive) refs(at ref, n int) ([]byte, error) {
	b, size, err := h.cell(at, 4*int64(n))
	if err != nil {
		return nil, err
	}
	if len(b) < 4*n {
		return nil, corrupt(at, "a list of %d in %d bytes", n, size)
	}
	return b, nil
}
