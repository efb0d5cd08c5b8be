package vhd

import (
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
	"github.com/unboot/unboot/disk/internal/winpath"
)

const (
	// tableCache is how many bytes of tables are kept. Those of a disk of 2 TiB with
	// blocks of the usual size have 5 MiB.
	tableCache = 1 << 20
)

// Image is an open image. It is a [disk.Device].
type Image struct {
	path   string
	file   disk.Device
	parent disk.Device // of a differencing image
	f      *Footer
	h      *header // nil of a fixed image
	size   int64
	end    int64 // where the data of a fixed image ends in the file, or the next block begins

	// mu keeps those who read tables, and the blocks that they point to, apart from those
	// who change them.
	mu     sync.RWMutex
	tables *tables.File // the block allocation table, and the bitmaps before blocks
	cache  *tables.Cache

	writable bool
	written  atomic.Bool // since the last flush
	ready    bool        // it was looked where blocks can be added, at end
	free     []int64     // where blocks were that nothing refers to
	freed    []int64     // those that the file still refers to
}

// New opens the image that is on a device. The path is for errors. The parent of a differencing
// image is opened by refer; without it, the image is refused with a [*disk.NotAllowedError]. The
// image closes d and the parent, but d not if New fails.
func New(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*Image, error) {
	cache := tables.NewCache(tableCache)
	m := &Image{path: path, file: d, cache: cache, tables: cache.File(d), writable: disk.Writable(d)}
	if err := m.open(refer); err != nil {
		if m.parent != nil {
			m.parent.Close()
		}
		return nil, m.wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(refer func(disk.Reference) (disk.Device, error)) error {
	var err error
	if m.f, m.end, err = ReadFooter(m.file); err != nil {
		return err
	}
	m.size = m.f.Size()
	if m.f.Kind == Fixed {
		return nil
	}
	if m.h, err = readHeader(m.file, m.f, m.size); err != nil {
		return err
	}
	if m.f.Kind == Differencing {
		return m.openParent(refer)
	}
	return nil
}

// Footer returns what the image's footer says. It must not be changed.
func (m *Image) Footer() *Footer { return m.f }

// Parent returns the device that has what a differencing image does not, or nil.
func (m *Image) Parent() disk.Device { return m.parent }

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.size }

// SectorSize returns 512: the format has no other.
func (m *Image) SectorSize() int { return sector }

// Writable reports whether the image was opened for writing.
func (m *Image) Writable() bool { return m.writable }

// Close flushes what was written, and closes the image and its parent.
func (m *Image) Close() error {
	err := errors.Join(m.Flush(), m.file.Close())
	if m.parent != nil {
		err = errors.Join(err, m.parent.Close())
	}
	return err
}

// name returns the name of the parent that stands in the header itself.
func (h *header) name() string { return winpath.Decode(h.parentName, be) }

// wrap names the image in an error that does not name one. io.EOF remains what it is.
func (m *Image) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: op, Path: m.path, Err: err}
}
