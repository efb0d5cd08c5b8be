package vmdk

import (
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/tables"
)

// A geometry says where the tables of a sparse extent are, of whatever kind.
type geometry struct {
	kind     string // as in a descriptor
	capacity int64  // sectors
	grain    int64  // sectors

	directory int64 // where the grain directory is, in bytes
	redundant int64 // where the other one is, or 0
	tables    int64 // how many entries the directory has
	entries   int64 // how many entries a grain table has
	zeroGrain bool  // an entry of 1 is a grain of zeros

	compressed bool
	markers    bool // grains are compressed, and begin with a marker

	wide     bool // seSparse: entries of 64 bits, by number
	tablesAt int64
	grainsAt int64
}

// zeroEntry is the entry of a grain of zeros.
const zeroEntry = 1

// hosted returns the geometry of a hosted sparse extent.
func (h *sparseHeader) hosted() (*geometry, error) {
	if h.grain == 0 || h.directory == 0 {
		return nil, damaged("the extent has no grain directory")
	}
	perTable := h.grain * h.entries
	return &geometry{
		kind: "SPARSE", capacity: h.capacity, grain: h.grain,
		directory: h.directory * sectorSize, redundant: h.redundant * sectorSize,
		tables: (h.capacity + perTable - 1) / perTable, entries: h.entries,
		zeroGrain:  h.flags&flagZeroGrain != 0,
		compressed: h.compressed, markers: h.flags&flagMarkers != 0,
	}, nil
}

// A sparse is an extent of grains that are anywhere in a file.
type sparse struct {
	geometry
	file      disk.Device
	table     *tables.File
	grainSize int64
	// next is where in the file the next new grain is, in bytes. It is guarded by the
	// image's mu.
	next   int64
	hosted bool // it is one that can be written to
}

func (g *geometry) open(file disk.Device, c *tables.Cache) (*sparse, error) {
	width := g.width()
	if g.directory < 0 || g.tables > (file.Size()-g.directory)/width {
		return nil, damaged("the grain directory of %d entries at %d ends past the end of the file, which has %d bytes (was it truncated?)",
			g.tables, g.directory, file.Size())
	}
	if perTable := g.entries * g.grain; g.capacity > g.tables*perTable {
		return nil, damaged("%d grain tables of %d sectors are too few for %d sectors", g.tables, perTable, g.capacity)
	}
	return &sparse{geometry: *g, file: file, table: c.File(file), grainSize: g.grain * sectorSize}, nil
}

// width returns the size of an entry in bytes.
func (g *geometry) width() int64 {
	if g.wide {
		return 8
	}
	return 4
}

// directoryEntry reads an entry of a directory.
func (s *sparse) directoryEntry(at int64) (uint64, error) {
	var b [8]byte
	p := b[:s.width()]
	err := s.table.Read(p, at)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = damaged("the grain directory ends at %d, before %d (was it truncated?)", s.file.Size(), at)
	}
	return le.Uint64(b[:]), err
}

// tableFor returns where the grain table of a grain is, in bytes, by a directory, or 0 if
// there is none.
func (s *sparse) tableFor(directory, grain int64) (int64, error) {
	e, err := s.directoryEntry(directory + grain/s.entries*s.width())
	if err != nil {
		return 0, err
	}
	if s.wide {
		return s.seTableAt(e)
	}
	return int64(e) * sectorSize, nil
}

// decode returns where a grain is in the file, in bytes, by its entry in a table.
func (s *sparse) decode(e uint64) (host int64, kind disk.ExtentKind, err error) {
	zero := s.zeroGrain && e == zeroEntry
	host = int64(e) * sectorSize
	if s.wide {
		if host, zero, err = s.seGrainAt(e); err != nil {
			return 0, 0, err
		}
	}
	switch {
	case zero:
		return 0, disk.Zero, nil
	case host == 0:
		return 0, disk.Hole, nil
	case s.compressed:
		return host, disk.Compressed, nil
	}
	return host, disk.Data, nil
}

// segment says how up to n bytes from off on are stored, which is inside of the extent.
func (s *sparse) segment(off, n int64) (below.Segment, error) {
	w := walk{s: s, table: -1}
	first, err := w.grain(off)
	if err != nil {
		return first, err
	}
	for first.Size < n {
		next, err := w.grain(off + first.Size)
		if err != nil || !first.Join(next) {
			break // an error is found again when it is its turn
		}
	}
	first.Size = min(first.Size, n)
	return first, nil
}

// A walk goes through the tables of an extent, some entries at a time.
type walk struct {
	s      *sparse
	number int64 // of the grain table, from the start of the extent
	table  int64 // where it is, 0 if there is none; -1 at the beginning
	first  int64 // the grain of the first entry of buf
	n      int64 // how many entries buf has
	buf    [512]byte
}

// grain says how the grain is stored in which off is, from there on. Of a grain table
// that is not there it is all that remains of it. It may pass the end of the extent.
func (w *walk) grain(off int64) (below.Segment, error) {
	s := w.s
	grain, in := off/s.grainSize, off%s.grainSize
	if number := grain / s.entries; w.table < 0 || number != w.number {
		table, err := s.tableFor(s.directory, grain)
		if err != nil {
			return below.Segment{}, err
		}
		w.number, w.table, w.n = number, table, 0
	}
	if w.table == 0 {
		return below.Segment{Size: (s.entries-grain%s.entries)*s.grainSize - in, Kind: disk.Hole}, nil
	}
	e, err := w.entry(grain)
	if err != nil {
		return below.Segment{}, err
	}
	host, kind, err := s.decode(e)
	if kind == disk.Data {
		host += in
	}
	return below.Segment{Kind: kind, Size: s.grainSize - in, Host: host}, err
}

// entry returns the entry of a grain, whose table it is in.
func (w *walk) entry(grain int64) (uint64, error) {
	width := w.s.width()
	if grain < w.first || grain >= w.first+w.n {
		at := w.table + grain%w.s.entries*width
		more := min(int64(len(w.buf)), (w.s.entries-grain%w.s.entries)*width)
		n, err := w.s.table.ReadSome(w.buf[:more], at)
		if err != nil {
			return 0, err
		}
		if int64(n) < width {
			return 0, damaged("the grain table at %d lies past the end of the file (was it truncated?)", at)
		}
		w.first, w.n = grain, int64(n)/width
	}
	p := w.buf[(grain-w.first)*width:]
	if w.s.wide {
		return le.Uint64(p), nil
	}
	return uint64(le.Uint32(p)), nil
}

// readData reads what is stored as it is, and begins at off of the extent.
func (s *sparse) readData(p []byte, off, host int64) error {
	size := s.file.Size()
	if err := s.inFile(off, host, int64(len(p)), size); err != nil {
		return err
	}
	there := min(max(size-host, 0), int64(len(p)))
	clear(p[there:])
	return readFull(s.file, p[:there], host)
}

// inFile returns an error if one of the grains of n bytes, from off on of the extent,
// begins past the end of the file, which was truncated then. The last one in a file may be
// shorter, and the rest of it is zeros.
func (s *sparse) inFile(off, host, n, size int64) error {
	last := host + n - 1 - (off+n-1)%s.grainSize
	if n > 0 && last >= size {
		return damaged("the grain at %d lies past the end of the file, which has %d bytes (was it truncated?)", last, size)
	}
	return nil
}
