package hive

// A ref is how the file refers to a cell: its offset in bytes, without the header.
type ref uint32

// none is the ref to nothing.
const none ref = 0xffffffff

func (r ref) offset() int64 { return int64(r) + headerSize }

// cell returns the content of an allocated cell, without its size. It shares the
// hive's memory.
func (h *Hive) cell(at ref) ([]byte, error) {
	bins := int64(len(h.data)) - headerSize
	if at%cellAlign != 0 || at < binHeader || int64(at)+4 > bins {
		return nil, corrupt(at, "no cell can be here")
	}
	if h.edit != nil && !h.edit.has(at, cellStart) {
		return nil, corrupt(at, "no cell begins here")
	}
	b, err := h.view(at.offset(), 4)
	if err != nil {
		return nil, err
	}
	size := -int64(int32(le.Uint32(b)))
	switch {
	case size <= 0:
		return nil, corrupt(at, "the cell is not in use")
	case size%cellAlign != 0 || int64(at)+size > bins:
		return nil, corrupt(at, "a cell of %d bytes", size)
	}
	b, err = h.view(at.offset(), size)
	if err != nil {
		return nil, err
	}
	return b[4:], nil
}

// record returns the content of a cell that begins with a signature of two letters
// and has at least n bytes.
func (h *Hive) record(at ref, signature string, n int) ([]byte, error) {
	b, err := h.cell(at)
	if err != nil {
		return nil, err
	}
	if len(b) < n || string(b[:2]) != signature {
		return nil, corrupt(at, "not a record of kind %s", signature)
	}
	return b, nil
}

// getRef reads a ref.
func getRef(b []byte) ref { return ref(le.Uint32(b)) }

func putRef(b []byte, r ref) { le.PutUint32(b, uint32(r)) }

// refs reads n refs from a cell that holds nothing else.
func (h *Hive) refs(at ref, n int) ([]byte, error) {
	b, err := h.cell(at)
	if err != nil {
		return nil, err
	}
	if n > len(b)/4 {
		return nil, corrupt(at, "a list of %d in %d bytes", n, len(b))
	}
	return b[:4*n], nil
}
