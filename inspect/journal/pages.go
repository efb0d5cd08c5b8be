package journal

import (
	"errors"
	"io"
)

const (
	pageSize = 64 << 10 // bytes
	maxPages = 8        // of a file: what belongs together lies near each other
)

// pages reads a file through a small cache.
type pages struct {
	r    io.ReaderAt
	size int64
	used []page // the last used first
}

type page struct {
	index int64
	data  []byte
}

// page returns a part of the file.
func (p *pages) page(index int64) ([]byte, error) {
	for i, u := range p.used {
		if u.index == index {
			copy(p.used[1:i+1], p.used[:i])
			p.used[0] = u
			return u.data, nil
		}
	}
	data := make([]byte, min(pageSize, p.size-index*pageSize))
	n, err := p.r.ReadAt(data, index*pageSize)
	if n < len(data) {
		if err == nil || errors.Is(err, io.EOF) { // shorter by now
			err = errCorrupt
		}
		return nil, err
	}
	if len(p.used) < maxPages {
		p.used = append(p.used, page{})
	}
	copy(p.used[1:], p.used)
	p.used[0] = page{index, data}
	return data, nil
}

// view returns bytes of the file, which must not be changed, and are good until the next
// call.
func (p *pages) view(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > p.size || n > p.size-off {
		return nil, errCorrupt
	}
	if n == 0 {
		return nil, nil
	}
	if off/pageSize == (off+n-1)/pageSize {
		data, err := p.page(off / pageSize)
		if err != nil {
			return nil, err
		}
		return data[off%pageSize:][:n], nil
	}
	b := make([]byte, n)
	return b, p.read(b, off)
}

// read fills b.
func (p *pages) read(b []byte, off int64) error {
	if off < 0 || off > p.size || int64(len(b)) > p.size-off {
		return errCorrupt
	}
	if len(b) > 4*pageSize {
		n, err := p.r.ReadAt(b, off)
		if n == len(b) {
			return nil
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errCorrupt
		}
		return err
	}
	for len(b) > 0 {
		data, err := p.page(off / pageSize)
		if err != nil {
			return err
		}
		n := copy(b, data[off%pageSize:])
		b, off = b[n:], off+int64(n)
	}
	return nil
}
