package vhdx

import (
	"fmt"
	"io"
	"math/bits"
)

const (
	metadataTable = 64 << 10
	maxItems      = 2047
	maxItem       = mib

	itemUser     = 1 << 0
	itemRequired = 1 << 2

	minBlock = 1 << 20
	maxBlock = 256 << 20
	maxSize  = 64 << 40

	bitmapBits  = 1 << 23 // sectors that a bitmap block says something about
	bitmapBlock = mib     // its size in bytes
)

// metadata is what the image says of the disk.
type metadata struct {
	block      int64 // size of a block, in bytes
	shift      uint  // its logarithm
	fixed      bool  // all blocks stay where they are
	hasParent  bool
	size       int64 // of the disk, in bytes
	sizeAt     int64 // where in the file that is
	sector     int64 // logical, in bytes
	physical   int64
	id         GUID
	ratio      int64  // payload blocks for each bitmap block
	ratioShift uint   // its logarithm
	parent     []byte // the parent locator
}

// readMetadata reads the metadata region.
func readMetadata(r io.ReaderAt, region span) (*metadata, error) {
	if region.end-region.at < metadataTable {
		return nil, damaged("the metadata region has %d bytes", region.end-region.at)
	}
	table := make([]byte, metadataTable)
	if err := readFull(r, table, region.at, "metadata table"); err != nil {
		return nil, err
	}
	if string(table[:8]) != "metadata" {
		return nil, damaged("there is no metadata table at %d", region.at)
	}
	n := int(le.Uint16(table[10:]))
	if n > maxItems {
		return nil, damaged("the metadata table has %d entries", n)
	}
	m := &metadata{}
	seen := map[GUID]bool{}
	for e := table[32:][:32*n]; len(e) > 0; e = e[32:] {
		id, off, length, flags := GUID(e[:16]), int64(le.Uint32(e[16:])), int64(le.Uint32(e[20:])), le.Uint32(e[24:])
		if flags&itemUser != 0 {
			if flags&itemRequired != 0 {
				return nil, fmt.Errorf("%w: the user metadata %v", ErrFeature, id)
			}
			continue
		}
		want, known := itemSizes[id]
		switch {
		case !known && flags&itemRequired != 0:
			return nil, fmt.Errorf("%w: the metadata %v", ErrFeature, id)
		case !known:
			continue
		case seen[id]:
			return nil, damaged("the metadata %v is there twice", id)
		case length > maxItem || off < metadataTable || off+length > region.end-region.at, length < want:
			return nil, damaged("the metadata %v has %d bytes at %d", id, length, off)
		}
		seen[id] = true
		b := make([]byte, length)
		if err := readFull(r, b, region.at+off, "metadata"); err != nil {
			return nil, err
		}
		if id == itemSize {
			m.sizeAt = region.at + off
		}
		m.item(id, b)
	}
	for _, id := range []GUID{itemParameters, itemSize, itemLogicalSector} {
		if !seen[id] {
			return nil, damaged("the metadata %v is not there", id)
		}
	}
	return m, m.check()
}

// itemSizes are the least sizes of the items that are known.
var itemSizes = map[GUID]int64{
	itemParameters: 8, itemSize: 8, itemID: 16, itemLogicalSector: 4, itemPhysicalSector: 4, itemParent: locatorHeader,
}

func (m *metadata) item(id GUID, b []byte) {
	switch id {
	case itemParameters:
		m.block = int64(le.Uint32(b))
		m.fixed = b[4]&1 != 0
		m.hasParent = b[4]&2 != 0
	case itemSize:
		m.size = int64(min(le.Uint64(b), 1<<63-1))
	case itemID:
		m.id = GUID(b[:16])
	case itemLogicalSector:
		m.sector = int64(le.Uint32(b))
	case itemPhysicalSector:
		m.physical = int64(le.Uint32(b))
	case itemParent:
		m.parent = b
	}
}

func (m *metadata) check() error {
	switch {
	case m.block < minBlock || m.block > maxBlock || m.block&(m.block-1) != 0:
		return damaged("blocks of %d bytes", m.block)
	case m.sector != 512 && m.sector != 4096:
		return damaged("sectors of %d bytes", m.sector)
	case m.size > maxSize || m.size%m.sector != 0:
		return damaged("a disk of %d bytes", m.size)
	case m.hasParent && m.parent == nil:
		return damaged("a differencing image without a parent locator")
	}
	m.fixed = m.fixed && !m.hasParent
	m.shift = uint(bits.TrailingZeros64(uint64(m.block)))
	m.ratio = bitmapBits * m.sector / m.block
	m.ratioShift = uint(bits.TrailingZeros64(uint64(m.ratio)))
	return nil
}

// blocks returns how many payload blocks the disk has.
func (m *metadata) blocks() int64 { return (m.size + m.block - 1) >> m.shift }

// entries returns how many entries the block allocation table has: after those of each chunk
// of payload blocks, one for its bitmap block.
func (m *metadata) entries() int64 {
	n := m.blocks()
	switch {
	case n == 0:
		return 0
	case m.hasParent:
		return ((n-1)>>m.ratioShift + 1) * (m.ratio + 1)
	}
	return n + (n-1)>>m.ratioShift
}
