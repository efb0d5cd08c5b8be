package vmdk

import (
	"errors"
	"sync"

	"github.com/unboot/unboot/disk/internal/tables"
	"github.com/unboot/unboot/internal/compression/inflate"
)

const markerSize = 12 // of a grain: its first sector, and the size of its data

// A grainKey is the key of a decompressed grain in the cache.
type grainKey struct {
	table *tables.File // of which file
	host  int64
}

// readCompressed reads from a grain at off of the extent, of which the data begins at host.
func (s *sparse) readCompressed(p []byte, off, host int64, blocks *tables.Blocks) error {
	if int64(len(p)) == s.grainSize {
		// All of it: it will not be wanted again soon.
		return s.decompress(p, off, host)
	}
	grain, err := blocks.Get(grainKey{s.table, host}, int(s.grainSize), func() ([]byte, error) {
		b := make([]byte, s.grainSize)
		return b, s.decompress(b, off-off%s.grainSize, host)
	})
	if err != nil {
		return err
	}
	copy(p, grain[off%s.grainSize:])
	return nil
}

var inputs = sync.Pool{New: func() any { return new([]byte) }}

// decompress fills p with a grain, which begins at off of the extent. The last one of the
// disk may be shorter.
func (s *sparse) decompress(p []byte, off, host int64) error {
	size, at := s.grainSize, host
	if s.markers {
		b := make([]byte, markerSize)
		if err := readFull(s.file, b, host); err != nil {
			return err
		}
		size, at = int64(le.Uint32(b[8:])), host+markerSize
		if size == 0 || size > 2*s.grainSize {
			return damaged("the compressed grain at %d has %d bytes", host, size)
		}
	} else {
		size = min(size, s.file.Size()-at)
	}
	buf := inputs.Get().(*[]byte)
	defer inputs.Put(buf)
	if int64(cap(*buf)) < size {
		*buf = make([]byte, max(size, 0))
	}
	in := (*buf)[:max(size, 0)]
	if err := readFull(s.file, in, at); err != nil {
		return err
	}
	n, err := inflate.Zlib(p, in)
	if errors.Is(err, inflate.ErrChecksum) {
		n = 0 // a grain is not longer than p
	}
	if whole := min(s.capacity*sectorSize-off, int64(len(p))); int64(n) < whole {
		if err == nil || errors.Is(err, inflate.ErrShort) {
			return damaged("the compressed grain at %d has %d bytes and not %d", host, n, whole)
		}
		return damaged("the compressed grain at %d does not decompress: %v", host, err)
	}
	clear(p[n:])
	return nil
}
