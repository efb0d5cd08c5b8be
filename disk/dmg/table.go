package dmg

import (
	"cmp"
	"math"
	"slices"

	"github.com/unboot/unboot/disk"
)

// The kinds of runs.
const (
	runZero     = 0
	runStored   = 1
	runIgnored  = 2 // zeros as well: what is not in use
	runComment  = 0x7ffffffe
	runADC      = 0x80000004
	runZlib     = 0x80000005
	runBzip2    = 0x80000006
	runLZFSE    = 0x80000007
	runLZMA     = 0x80000008
	runEnd      = 0xffffffff
	headerSize  = 204
	runSize     = 40
	magicTable  = "mish"
	maxRun      = 64 << 20 // bytes of what is compressed
	maxCompress = maxRun + maxRun/8
)

// A run is a part of the disk that is stored in one way.
type run struct {
	start, size int64 // of the disk
	at          int64 // in the file
	packed      int64 // how many bytes it has there
	kind        uint32
}

// A table is of a part of the disk.
type table struct {
	start, size int64
	checksum    checksum
	runs        []run
}

// readTables reads all tables.
func readTables(d disk.Device, k *koly) (list []*table, err error) {
	raw, err := rawTables(d, k)
	if err != nil {
		return nil, err
	}
	for i, b := range raw {
		t, err := parseTable(b, i, k, d.Size())
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// parseTable parses a table of a file of so many bytes.
func parseTable(b []byte, i int, k *koly, file int64) (*table, error) {
	if len(b) < headerSize || string(b[:4]) != magicTable {
		return nil, damage.Errorf("table %d, of %d bytes, is none", i, len(b))
	}
	first, sectors, data := be.Uint64(b[8:]), be.Uint64(b[16:]), be.Uint64(b[24:])
	n := int64(be.Uint32(b[200:]))
	const limit = math.MaxInt64 / sectorSize / 4
	switch {
	case n > int64(len(b)-headerSize)/runSize:
		return nil, damage.Errorf("table %d says that it has %d runs, and has %d bytes", i, n, len(b))
	case first > limit || sectors > limit || data > limit:
		return nil, damage.Errorf("table %d is of %d sectors from %d on, with data at %d", i, sectors, first, data)
	}
	t := &table{start: int64(first) * sectorSize, size: int64(sectors) * sectorSize, checksum: readChecksum(b[64:])}
	for j := range n {
		r := b[headerSize+j*runSize:]
		kind := be.Uint32(r)
		start, size, at, packed := be.Uint64(r[8:]), be.Uint64(r[16:]), be.Uint64(r[24:]), be.Uint64(r[32:])
		switch kind {
		case runComment:
			continue
		case runEnd:
			return t, nil
		case runZero, runIgnored:
			at, packed = 0, 0
		}
		if start > limit || size > limit || at > limit || packed > limit {
			return nil, damage.Errorf("run %d of table %d is of %d sectors from %d on, in %d bytes at %d", j, i, size, start, packed, at)
		}
		if size == 0 {
			continue
		}
		x := run{start: t.start + int64(start)*sectorSize, size: int64(size) * sectorSize, kind: kind,
			at: k.data + int64(data) + int64(at), packed: int64(packed)}
		if kind >= runADC && (x.size > maxRun || x.packed > maxCompress) {
			return nil, damage.Errorf("run %d of table %d has %d bytes, of %d compressed ones", j, i, x.size, x.packed)
		}
		t.runs = append(t.runs, x)
	}
	return t, nil
}

// runs returns those of all tables, in the order of the disk.
func runs(list []*table) ([]run, error) {
	var all []run
	for _, t := range list {
		all = append(all, t.runs...)
	}
	slices.SortFunc(all, func(a, b run) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(all); i++ {
		if end := all[i-1].start + all[i-1].size; end > all[i].start {
			return nil, damage.Errorf("a run of the disk ends at %d, and the next one begins at %d", end, all[i].start)
		}
	}
	return all, nil
}
