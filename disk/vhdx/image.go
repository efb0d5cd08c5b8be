package vhdx

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"

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
}

// New opens the image that is on a device. The path is for errors. The parent of a differencing
// image is opened by refer; without it, the image is refused with a [*disk.NotAllowedError]. The
// image closes d and the parent, but d not if New fails.
func New(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*Image, error) {
	m := &Image{path: path, file: d}
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

// readTables reads all but the block allocation table, after the log has been replayed in
// memory.
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
		if m.file, err = replay(m.file, l, s); err != nil {
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

// WriteAt fails with EROFS.
func (m *Image) WriteAt(p []byte, off int64) (int, error) { return 0, m.wrap("write", syscall.EROFS) }

// Flush does nothing, as there is nothing that was written.
func (m *Image) Flush() error { return nil }

// Close closes the image and its parent.
func (m *Image) Close() error {
	err := m.file.Close()
	if m.parent != nil {
		err = errors.Join(err, m.parent.Close())
	}
	return err
}

// wrap names the image in an error that does not name one.
func (m *Image) wrap(op string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: op, Path: m.path, Err: err}
}
