package vmdk

import (
	"io"
	"math"
)

// The constants of the only version of the format that is known. It is not documented by
// VMware; this is what images of ESXi 6.5 and later have, as QEMU reads them.
const (
	seGrain    = 8  // sectors
	seTable    = 64 // sectors
	seEntries  = seTable * sectorSize / 8
	seVolatile = 0xcafecafe
)

// readSESparse reads the headers of a space-efficient sparse extent.
func readSESparse(r io.ReaderAt) (*geometry, error) {
	b := make([]byte, sectorSize)
	if err := readFull(r, b, 0); err != nil {
		return nil, err
	}
	field := func(i int) uint64 { return le.Uint64(b[8*i:]) }
	if string(b[:len(magicSESparse)]) != magicSESparse {
		return nil, ErrFormat
	}
	// Grain size, table size and flags.
	if field(3) != seGrain || field(4) != seTable || field(5) != 0 {
		return nil, damaged("a seSparse extent with grains of %d and tables of %d sectors, flags %#x", field(3), field(4), field(5))
	}
	const most = math.MaxInt64 / sectorSize / 2
	capacity, volatile := field(2), field(10)
	directory, directorySize, tables, grains := field(16), field(17), field(18), field(24)
	for _, v := range []uint64{capacity, volatile, directory, directorySize, tables, grains} {
		if v > most {
			return nil, damaged("a seSparse extent with a place or size of %d sectors", v)
		}
	}
	v := make([]byte, sectorSize)
	if err := readFull(r, v, int64(volatile)*sectorSize); err != nil {
		return nil, err
	}
	if le.Uint64(v) != seVolatile {
		return nil, damaged("the second header of the seSparse extent is not at sector %d", volatile)
	}
	if le.Uint64(v[24:]) != 0 {
		return nil, damaged("the journal of the seSparse extent has changes that were not made; open and close it on ESXi first")
	}
	return &geometry{
		kind: "SESPARSE", capacity: int64(capacity), grain: seGrain,
		directory: int64(directory) * sectorSize, tables: int64(directorySize) * sectorSize / 8,
		entries: seEntries, wide: true, tablesAt: int64(tables) * sectorSize, grainsAt: int64(grains) * sectorSize,
	}, nil
}

// seTableAt decodes an entry of the directory: where a grain table is, or 0.
func (g *geometry) seTableAt(entry uint64) (int64, error) {
	switch {
	case entry == 0:
		return 0, nil
	case entry>>32 != 0x10000000:
		return 0, damaged("an entry %#x of the directory", entry)
	}
	return addOffset(g.tablesAt, int64(uint32(entry)), seTable*sectorSize)
}

// seGrainAt decodes an entry of a grain table. The number of the grain has its upper 12
// bits below its lower 48.
func (g *geometry) seGrainAt(entry uint64) (host int64, zero bool, err error) {
	switch entry >> 60 {
	case 0:
		if entry == 0 {
			return 0, false, nil
		}
	case 1, 2: // unmapped by the guest, or said to be zeros
		return 0, true, nil
	case 3:
		n := int64(entry>>48&0xfff | entry&0xffff_ffff_ffff<<12)
		host, err := addOffset(g.grainsAt, n, seGrain*sectorSize)
		return host, false, err
	}
	return 0, false, damaged("an entry %#x of a grain table", entry)
}

// addOffset returns base + n*size, unless that is too much.
func addOffset(base, n, size int64) (int64, error) {
	if n < 0 || n > (math.MaxInt64-base)/size {
		return 0, damaged("the place number %d of %d bytes after %d", n, size, base)
	}
	return base + n*size, nil
}
