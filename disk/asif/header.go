package asif

import (
	"encoding/binary"
	"math"

	"github.com/unboot/unboot/disk"
)

const (
	magic      = "shdw\x00\x00\x00\x01" // with the version
	headerSize = 92
	maxChunk   = 1 << 30
)

var be = binary.BigEndian

// A header says how an image is laid out.
type header struct {
	size      int64 // of the disk, in bytes
	directory int64 // where the entries of the one that counts begin
	chunk     int64 // bytes
	group     int64 // of entries of chunks, after which there is one that is not
	perTable  int64 // how many chunks of the disk a table has
}

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	if !Match(b, nil) {
		return nil, ErrFormat
	}
	sectors, block := be.Uint64(b[48:]), int64(be.Uint16(b[68:]))
	h := &header{chunk: int64(be.Uint32(b[64:]))}
	switch {
	case block < 512 || block > 1<<15 || h.chunk < block || h.chunk%block != 0 || h.chunk%512 != 0 || h.chunk > maxChunk:
		return nil, damage.Errorf("chunks of %d bytes, and blocks of %d", h.chunk, block)
	case sectors > math.MaxInt64/2/uint64(block):
		return nil, damage.Errorf("a disk of %d blocks of %d bytes", sectors, block)
	}
	h.size = int64(sectors) * block
	h.group = max(1, 4*h.chunk/(h.chunk/block))
	entries := h.chunk / 8
	h.perTable = entries / (h.group + 1) * h.group
	if h.perTable == 0 {
		return nil, damage.Errorf("chunks of %d bytes are too small for a table", h.chunk)
	}
	newest := uint64(0)
	for _, at := range []uint64{be.Uint64(b[16:]), be.Uint64(b[24:])} {
		if at > math.MaxInt64/2 || at%8 != 0 {
			return nil, damage.Errorf("a directory at %d", at)
		}
		v := make([]byte, 8)
		if err := damage.ReadFull(d, v, int64(at), "directory"); err != nil {
			return nil, err
		}
		if version := be.Uint64(v); h.directory == 0 || version > newest {
			h.directory, newest = int64(at)+8, version
		}
	}
	return h, nil
}
