package ewf

import (
	"io"
	"math"
)

// A volume is what an image says of the disk.
type volume struct {
	chunks  int64 // how many
	chunk   int64 // bytes of one
	sector  int64 // bytes of one
	sectors int64
	set     [16]byte // that the segments of an image have in common, or zeros
}

func (v *volume) size() int64 { return v.sectors * v.sector }

// The sizes of the section, of EWF-S01 and of EWF-E01.
const (
	smallVolume = 94
	largeVolume = 1052
)

// readVolume reads the section about the disk, whose descriptor says that it has size
// bytes with that.
func readVolume(r io.ReaderAt, at int64, size uint64) (*volume, error) {
	n := largeVolume
	if size < sectionSize+largeVolume {
		n = smallVolume
	}
	b := make([]byte, n)
	if err := damage.ReadFull(r, b, at, "section about the disk"); err != nil {
		return nil, err
	}
	if err := checksum(b, "section about the disk", at); err != nil {
		return nil, err
	}
	v := &volume{chunks: int64(le.Uint32(b[4:])), sector: int64(le.Uint32(b[12:]))}
	sectors := uint64(le.Uint32(b[16:]))
	if n == largeVolume {
		sectors = le.Uint64(b[16:])
		copy(v.set[:], b[64:])
	}
	perChunk := int64(le.Uint32(b[8:]))
	switch {
	case v.sector == 0 || v.sector > 1<<20 || perChunk == 0 || perChunk > maxChunk/v.sector:
		return nil, damage.Errorf("chunks of %d sectors of %d bytes", perChunk, v.sector)
	case sectors > math.MaxInt64/uint64(v.sector):
		return nil, damage.Errorf("a disk of %d sectors of %d bytes", sectors, v.sector)
	}
	v.sectors, v.chunk = int64(sectors), perChunk*v.sector
	if v.sectors == 0 { // as some write who did not know before
		v.sectors = v.chunks * perChunk
	}
	return v, nil
}
