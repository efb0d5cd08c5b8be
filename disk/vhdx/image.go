package vhdx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
)

// tableCache is how many bytes of tables are kept. The block allocation table of a disk of
// 1 TiB with blocks of 32 MiB has 256 KiB.
const tableCache = 2 << 20

// Image is an open image. It is a [disk.Device].
type Image struct {
	path   string
	file   disk.Device // the file, as it is after its log has been replayed
	parent disk.Device // of a differencing image

	header  *header
	regions *regions
	meta    *metadata

	// mu keeps those who read tables, and the blocks that they point to, apart from those
	// who change them.
	mu     sync.RWMutex
	tables *tables.File // the block allocation table, and bitmap blocks

	writable bool
	replayed bool        // the log was not empty
	changed  atomic.Bool // the header says that it was
	written  atomic.Bool // since the last flush
	ready    bool        // it was looked where blocks can be added
	end      int64       // of the file, where blocks are added
	free     []int64     // places for blocks, to which nothing refers
	freed    []int64     // those to which the file still refers
	logger   logWriter
}

// New opens the image that is on a device. The path is for errors. The parent of a differencing
// image is opened by refer; without it, the image is refused with a [*disk.NotAllowedError]. The
// image closes d and the parent, but d not if New fails.
func New(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*Image, error) {
	m := &Image{path: path, file: d, writable: disk.Writable(d)}
	if err := m.open(refer); err != nil {
		if m.parent != nil {
			m.parent.Close()
		}
		return nil, m.wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(refer func(disk.Reference) (disk.Device, error)) error {
	if err := m.readTables(); err != nil {
		return err
	}
	m.tables = tables.NewCache(tableCache).File(m.file)
	if m.meta.hasParent {
		return m.openParent(refer)
	}
	return nil
}

// readTables reads all but the block allocation table, after the log has been replayed: in
// memory, or in the file if that is open for writing.
func (m *Image) readTables() error {
	var err error
	if m.header, err = readHeader(m.file); err != nil {
		return err
	}
	l, s, err := findSequence(m.file, m.header, m.file.Size())
	if err != nil {
		return err
	}
	if s != nil {
		r, err := replay(m.file, l, s)
		if err != nil {
			return err
		}
		m.file, m.replayed = r, true
		if m.writable {
			if err := m.apply(r); err != nil {
				return fmt.Errorf("replay the log: %w", err)
			}
		}
	} else if m.writable && m.header.logGUID != (GUID{}) {
		// It has no entry of this GUID, and none that is written may continue it.
		if err := m.updateHeader(func(h *header) { h.logGUID = GUID{} }); err != nil {
			return err
		}
	}
	if m.regions, err = readRegions(m.file, m.header); err != nil {
		return err
	}
	if m.meta, err = readMetadata(m.file, m.regions.metadata); err != nil {
		return err
	}
	if n, room := m.meta.entries(), (m.regions.bat.end-m.regions.bat.at)/8; n > room {
		return damaged("the block allocation table has room for %d entries and not %d", room, n)
	}
	return nil
}

// Parent returns the device that has what a differencing image does not, or nil.
func (m *Image) Parent() disk.Device { return m.parent }

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.meta.size }

// SectorSize returns the size of a logical sector in bytes: 512 or 4096.
func (m *Image) SectorSize() int { return int(m.meta.sector) }

// Writable reports whether the image was opened for writing.
func (m *Image) Writable() bool { return m.writable }

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
