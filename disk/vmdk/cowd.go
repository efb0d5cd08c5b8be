package vmdk

import (
	"io"
)

const cowdEntries = 4096 // of a grain table

// readCOWD reads the header of a sparse extent of ESX Server, which VMware's document calls
// COWDisk_Header, and the field VMFSSPARSE. All its sizes are 32 bits of sectors.
func readCOWD(r io.ReaderAt) (*geometry, error) {
	b := make([]byte, 32)
	if err := readFull(r, b, 0); err != nil {
		return nil, err
	}
	if string(b[:4]) != magicCOWD {
		return nil, ErrFormat
	}
	if version := le.Uint32(b[4:]); version != 1 {
		return nil, damaged("version %d of an extent of ESX is not known", version)
	}
	g := &geometry{
		kind: "VMFSSPARSE", capacity: int64(le.Uint32(b[12:])), grain: int64(le.Uint32(b[16:])),
		directory: int64(le.Uint32(b[20:])) * sectorSize, tables: int64(le.Uint32(b[24:])),
		entries: cowdEntries,
	}
	if g.grain == 0 || g.grain > maxGrain {
		return nil, damaged("a grain has %d sectors", g.grain)
	}
	return g, nil
}
