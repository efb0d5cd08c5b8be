package ewf

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

const (
	tableCache = 32 << 20 // bytes of tables that are kept: of the largest, two
	chunkCache = 16 << 20 // of chunks
)

// An Image is an open image. It is a [disk.Device].
type Image struct {
	readonly.Image
	volume *volume
	tables []table // in the order of the disk
	hashes Hashes

	offsets *tables.Blocks // the tables that were read last
	chunks  *tables.Blocks
}

// New opens the image one of whose segments is on a device. The other segments, whose names
// are derived from path, are opened by refer; without it, an image of several is refused with
// a [*disk.NotAllowedError]. The image closes all of them, but not d if New fails.
func New(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*Image, error) {
	m := &Image{offsets: tables.NewBlocks(tableCache), chunks: tables.NewBlocks(chunkCache)}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	if err := m.open(refer); err != nil {
		m.CloseOthers()
		return nil, m.Wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(refer func(disk.Reference) (disk.Device, error)) error {
	own, err := readSegment(m.File)
	if err != nil {
		return err
	}
	for number, last := 1, false; !last; number++ {
		s := own
		if number != own.number {
			if s, err = m.openSegment(own, number, refer); err != nil {
				return err
			}
		}
		if err := m.add(s); err != nil {
			return err
		}
		if last = s.last; last && number < own.number {
			return fmt.Errorf("%w: segment %d is the last one, and this is %d", ErrSegment, number, own.number)
		}
	}
	m.Bytes = m.volume.size()
	return nil
}

// openSegment opens another segment.
func (m *Image) openSegment(own *segment, number int, refer func(disk.Reference) (disk.Device, error)) (*segment, error) {
	name, ok := segmentName(readonly.Base(m.Path), own.number, number)
	if !ok {
		return nil, fmt.Errorf("segment %d of the image cannot be found: segment %d is called %q", number, own.number, readonly.Base(m.Path))
	}
	d, err := m.Refer(reference(name), refer)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (the image has more segments than there are)", err)
	}
	if err != nil {
		return nil, err
	}
	m.Others = append(m.Others, d)
	s, err := readSegment(d)
	if err != nil {
		return nil, fmt.Errorf("segment %q: %w", name, err)
	}
	if s.number != number {
		return nil, fmt.Errorf("%w: %q says that it is segment %d, not %d", ErrSegment, name, s.number, number)
	}
	return s, nil
}

// add adds the next segment.
func (m *Image) add(s *segment) error {
	switch none := [16]byte{}; {
	case m.volume == nil && s.volume == nil:
		return damage.Errorf("segment %d does not say how large the disk is", s.number)
	case m.volume == nil:
		m.volume = s.volume
	case s.volume != nil && s.volume.set != m.volume.set && s.volume.set != none && m.volume.set != none:
		return fmt.Errorf("%w: segment %d has the identifier %x, not %x", ErrSegment, s.number, s.volume.set, m.volume.set)
	case s.volume != nil && s.volume.chunk != m.volume.chunk, s.volume != nil && s.volume.sectors != m.volume.sectors:
		return fmt.Errorf("%w: segment %d is of a disk of %d bytes, not %d", ErrSegment, s.number, s.volume.size(), m.volume.size())
	}
	first := int64(0)
	if n := len(m.tables); n > 0 {
		first = m.tables[n-1].first + m.tables[n-1].entries
	}
	for _, t := range s.tables {
		t.first = first
		first += t.entries
		m.tables = append(m.tables, t)
	}
	if len(m.tables) > MaxTables {
		return damage.Errorf("more than %d tables", MaxTables)
	}
	if s.hashes.MD5 != nil {
		m.hashes.MD5 = s.hashes.MD5
	}
	if s.hashes.SHA1 != nil {
		m.hashes.SHA1 = s.hashes.SHA1
	}
	return nil
}

// Hashes returns the hash sums of the disk that the image has.
func (m *Image) Hashes() Hashes { return m.hashes }

// SectorSize returns the size of a sector of the disk, in bytes, or 0 if that is not one
// that a disk can have here.
func (m *Image) SectorSize() int {
	if n := m.volume.sector; n >= 512 && n <= 4096 && n&(n-1) == 0 && m.Bytes%n == 0 {
		return int(n)
	}
	return 0
}

// table returns the table of a chunk.
func (m *Image) table(chunk int64) (*table, error) {
	i := sort.Search(len(m.tables), func(i int) bool { return m.tables[i].first+m.tables[i].entries > chunk })
	if i == len(m.tables) {
		return nil, damage.Errorf("chunk %d of %d is in none of the tables (are segments missing?)", chunk, m.volume.chunks)
	}
	return &m.tables[i], nil
}
