package dmg

import (
	"sort"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

// runCache is how many bytes of decompressed runs are kept, or one if that is larger. Runs
// have 256 KiB to 1 MiB.
const runCache = 32 << 20

// An Image is an open image. It is a [disk.Device].
type Image struct {
	readonly.Image
	koly   *koly
	tables []*table
	runs   []run // in the order of the disk, which may have gaps
	blocks *tables.Blocks
}

// New opens the image on a device, which it closes when it is closed, but not if New fails.
// The path is for errors.
func New(d disk.Device, path string) (*Image, error) {
	m := &Image{blocks: tables.NewBlocks(runCache)}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	if err := m.open(); err != nil {
		return nil, m.Wrap("open", err)
	}
	return m, nil
}

func (m *Image) open() (err error) {
	if m.koly, err = readKoly(m.File); err != nil {
		return err
	}
	if m.tables, err = readTables(m.File, m.koly); err != nil {
		return err
	}
	if m.runs, err = runs(m.tables); err != nil {
		return err
	}
	m.Bytes, err = m.koly.size(m.tables)
	return err
}

// SectorSize returns 512: the format has no other.
func (m *Image) SectorSize() int { return sectorSize }

// run returns the number of the first run that does not end before a byte of the disk.
func (m *Image) run(off int64) int {
	return sort.Search(len(m.runs), func(i int) bool { return m.runs[i].start+m.runs[i].size > off })
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	s := readonly.Segment{Size: n, Kind: disk.Hole}
	i := m.run(off)
	if i == len(m.runs) {
		return s, nil
	}
	r := &m.runs[i]
	if off < r.start { // in a gap
		s.Size = min(n, r.start-off)
		return s, nil
	}
	in := off - r.start
	s.Size = min(n, r.size-in)
	switch r.kind {
	case runZero:
		s.Kind = disk.Zero
	case runIgnored:
	case runStored:
		if r.packed < r.size { // what is not there is zeros
			if in >= r.packed {
				break
			}
			s.Size = min(s.Size, r.packed-in)
		}
		s.Kind, s.Host = disk.Data, r.at+in
	default:
		s.Kind = disk.Compressed
	}
	return s, nil
}

// Unpack implements [readonly.Layout].
func (m *Image) Unpack(p []byte, off int64) error {
	r := &m.runs[m.run(off)]
	if int64(len(p)) == r.size {
		// All of it: it will not be wanted again soon.
		return m.unpack(p, r)
	}
	b, err := m.blocks.Get(r.start, int(r.size), func() ([]byte, error) {
		b := make([]byte, r.size)
		return b, m.unpack(b, r)
	})
	if err == nil {
		copy(p, b[off-r.start:])
	}
	return err
}
