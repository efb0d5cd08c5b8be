package lkl

type ramDisk struct{ data []byte }

func (r ramDisk) ReadAt(p []byte, off int64) (int, error)  { return copy(p, r.data[off:]), nil }
func (r ramDisk) WriteAt(p []byte, off int64) (int, error) { return copy(r.data[off:], p), nil }
func (r ramDisk) Size() int64                              { return int64(len(r.data)) }
func (r ramDisk) Flush() error                             { return nil }
