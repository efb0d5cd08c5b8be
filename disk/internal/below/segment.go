package below

import (
	"errors"
	"io"
	"iter"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// A Segment is a part of a disk that an image stores in one way.
type Segment struct {
	Kind disk.ExtentKind // a Hole is in the parent, if there is one
	Size int64           // in bytes
	Host int64           // of Data: where in the file it is; of Compressed, where its unit is
}

// Join adds the segment that follows, if that is stored in the same way.
func (s *Segment) Join(next Segment) bool {
	if s.Kind != next.Kind || s.Kind == disk.Compressed || s.Kind == disk.Data && s.Host+s.Size != next.Host {
		return false
	}
	s.Size += next.Size
	return true
}

// A Finder says how an image stores the disk from off on, and how far that goes: up to n
// bytes, and maybe less than it could. off and n are inside of the disk.
type Finder func(off, n int64) (Segment, error)

// ReadAt is io.ReaderAt of an image whose disk has size bytes: data reads all of p, which is
// at off of the disk, from a place in the file.
func ReadAt(p []byte, off, size int64, parent disk.Device, find Finder, data func(p []byte, off, host int64) error) (done int, err error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	var end error
	if left := size - off; int64(len(p)) > left {
		p, end = p[:max(left, 0)], io.EOF
	}
	for done < len(p) {
		s, err := find(off, int64(len(p)-done))
		if err != nil {
			return done, err
		}
		part := p[done:][:s.Size]
		switch s.Kind {
		case disk.Data:
			err = data(part, off, s.Host)
		case disk.Hole:
			err = Read(parent, part, off)
		default:
			clear(part)
		}
		if err != nil {
			return done, err
		}
		done, off = done+len(part), off+s.Size
	}
	return done, end
}

// ReadData reads all of p from a file. What is not there is io.ErrUnexpectedEOF.
func ReadData(d io.ReaderAt, p []byte, host int64) error {
	n, err := d.ReadAt(p, host)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// Chain implements [disk.Extenter] for an image whose disk has size bytes, and for what is
// below it. A parent that cannot say how it is stored is Data as far as it goes.
func Chain(off, n, size int64, parent disk.Device, find Finder) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= size {
			return
		}
		for end := off + min(n, size-off); off < end; {
			s, err := find(off, end-off)
			if err != nil {
				yield(disk.Extent{}, err)
				return
			}
			if s.Kind == disk.Hole && parent != nil {
				for e, err := range Extents(parent, off, s.Size) {
					if !yield(e, err) || err != nil {
						return
					}
				}
			} else {
				e := disk.Extent{Start: off, Size: s.Size, Kind: s.Kind}
				if s.Kind == disk.Data {
					e.Offset = s.Host
				}
				if !yield(e, nil) {
					return
				}
			}
			off += s.Size
		}
	}
}
