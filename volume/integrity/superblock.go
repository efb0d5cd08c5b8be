package integrity

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A Superblock is that of dm-integrity. Sizes are in bytes.
type Superblock struct {
	Version         int
	TagSize         int   // of a checksum
	BlockSize       int64 // that has a checksum
	Size            int64 // of the data
	Interleave      int64 // of data between checksums; 0 if they are on a device of their own
	JournalSections int64
	Recalculating   bool
	Recalculated    int64 // how far the checksums have been computed, if they are being
	Bitmap          bool  // there is a bitmap in the place of the journal, and in use
	JournalMAC      bool
	FixedPadding    bool
	FixedHMAC       bool
	Inline          bool
	// Algorithm is the checksum, in the kernel's words, if it has been found out.
	Algorithm string

	salt   []byte
	tags   int64 // where the first checksums are
	data   int64 // where the first data are
	period int64 // from the checksums to the next
}

var le = binary.LittleEndian

const (
	superblockSize = 64
	reserved       = 8 * 512 // for the superblock, in bytes
	maxVersion     = 7
)

// Read reads the superblock at the start of a device of size bytes.
func Read(r io.ReaderAt, size int64) (*Superblock, error) {
	b := make([]byte, superblockSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("reading the superblock of dm-integrity: %w", err)
	}
	if !bytes.HasPrefix(b, []byte("integrt\x00")) {
		return nil, errors.New("no superblock of dm-integrity is there")
	}
	flags := le.Uint32(b[24:])
	s := &Superblock{
		Version:         int(b[8]),
		TagSize:         int(le.Uint16(b[10:])),
		JournalSections: int64(le.Uint32(b[12:])),
		JournalMAC:      flags&0x01 != 0,
		Recalculating:   flags&0x02 != 0,
		Bitmap:          flags&0x04 != 0,
		FixedPadding:    flags&0x08 != 0,
		FixedHMAC:       flags&0x10 != 0,
		Inline:          flags&0x20 != 0,
		salt:            bytes.Clone(b[48:64]),
	}
	interleave, perBlock, sectors := b[9], b[28], le.Uint64(b[16:])
	switch {
	case s.Version < 1 || s.Version > maxVersion:
		return nil, fmt.Errorf("the version %d of dm-integrity is not known", s.Version)
	case perBlock > 3:
		return nil, fmt.Errorf("dm-integrity with blocks of 2^%d sectors", perBlock)
	case s.TagSize < 1 || s.TagSize > 255:
		return nil, fmt.Errorf("dm-integrity with checksums of %d bytes", s.TagSize)
	case sectors == 0 || sectors > math.MaxInt64/512:
		return nil, fmt.Errorf("dm-integrity for %d sectors", sectors)
	}
	s.Size = int64(sectors) * 512
	s.BlockSize = 512 << perBlock
	if s.Recalculating {
		s.Recalculated = int64(min(le.Uint64(b[32:]), sectors)) * 512
	}
	if s.Inline {
		return s, nil
	}
	switch {
	case interleave == 0:
		return nil, errors.New("the data that dm-integrity guards are on another device, and nothing says on which")
	case interleave < 3 || interleave > 31:
		return nil, fmt.Errorf("dm-integrity with checksums after 2^%d sectors", interleave)
	}
	s.Interleave = 512 << interleave
	s.layout()
	last := (s.Size - 1) / s.Interleave
	if end := s.data + last*s.period; last > (math.MaxInt64-s.data)/s.period || end > size || (s.Size-1)%s.Interleave >= size-end {
		return nil, fmt.Errorf("%d bytes of data, and their checksums, reach past the end of the device's %d bytes", s.Size, size)
	}
	return s, nil
}

// layout finds out where checksums and data are, as the kernel's driver does.
func (s *Superblock) layout() {
	roundUp := func(n, to int64) int64 { return (n + to - 1) / to * to }
	// An entry of the journal has a sector's number, the last bytes of each of a block's
	// sectors, and the checksum; a sector of it ends with a commit number.
	entry := roundUp(8+8*(s.BlockSize/512)+int64(s.TagSize), 8)
	room := int64(512 - 8)
	if s.JournalMAC {
		room -= 8
	}
	section := room/entry*8*s.BlockSize + 8*512
	s.tags = reserved + section*s.JournalSections
	padding := int64(512 << 8)
	if s.FixedPadding {
		padding = 8 * 512
	}
	run := roundUp(s.Interleave/s.BlockSize*int64(s.TagSize), padding)
	s.data = s.tags + run
	s.period = run + s.Interleave
}
