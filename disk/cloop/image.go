package cloop

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
	"github.com/unboot/unboot/internal/compression/inflate"
)

const (
	magic      = "#!/bin/sh\n#V2.0 Format\n"
	scriptSize = 128
	offsetsAt  = scriptSize + 8
	sectorSize = 512
	maxBlock   = 64 << 20

	tableCache = 1 << 20 // bytes of offsets that are kept
	blockCache = 8 << 20 // of blocks, or one if that is larger
)

var be = binary.BigEndian

// A header says how an image is laid out.
type header struct {
	block  int64 // bytes of one
	blocks int64
}

func (h *header) size() int64 { return h.block * h.blocks }

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, offsetsAt)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	if !Match(b, nil) {
		return nil, ErrFormat
	}
	h := &header{int64(be.Uint32(b[scriptSize:])), int64(be.Uint32(b[scriptSize+4:]))}
	if h.block == 0 || h.block%sectorSize != 0 || h.block > maxBlock {
		return nil, damage.Errorf("blocks of %d bytes", h.block)
	}
	if h.blocks > (d.Size()-offsetsAt)/8 {
		return nil, damage.Errorf("the table of offsets at %d, of %d blocks, ends past the end of the file (was it truncated?)", offsetsAt, h.blocks)
	}
	return h, nil
}

// An Image is an open image. It is a [disk.Device].
type Image struct {
	readonly.Image
	h      *header
	tables *tables.File
	blocks *tables.Blocks
}

// New opens the image on a device, which it closes when it is closed, but not if New fails.
// The path is for errors.
func New(d disk.Device, path string) (*Image, error) {
	m := &Image{tables: tables.NewCache(tableCache).File(d), blocks: tables.NewBlocks(blockCache)}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	var err error
	if m.h, err = readHeader(d); err != nil {
		return nil, m.Wrap("open", err)
	}
	m.Bytes = m.h.size()
	return m, nil
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	return readonly.Segment{Size: min(n, m.h.block-off%m.h.block), Kind: disk.Compressed}, nil
}

// Unpack implements [readonly.Layout].
func (m *Image) Unpack(p []byte, off int64) error {
	number := off / m.h.block
	b, err := m.blocks.Get(number, int(m.h.block), func() ([]byte, error) { return m.inflate(number) })
	if err == nil {
		copy(p, b[off%m.h.block:])
	}
	return err
}

// offset returns where a block begins.
func (m *Image) offset(number int64) (int64, error) {
	var b [8]byte
	if err := m.tables.Read(b[:], offsetsAt+8*number); err != nil {
		return 0, readonly.Ended(damage, err, "table of offsets", offsetsAt)
	}
	v := be.Uint64(b[:])
	if v > math.MaxInt64 {
		return 0, damage.Errorf("block %d lies at %d", number, v)
	}
	return int64(v), nil
}

func (m *Image) inflate(number int64) ([]byte, error) {
	at, err := m.offset(number)
	if err != nil {
		return nil, err
	}
	end, err := m.offset(number + 1)
	if err != nil {
		return nil, err
	}
	if end < at || end-at > 2*m.h.block+1024 {
		return nil, damage.Errorf("block %d lies from %d to %d", number, at, end)
	}
	in := make([]byte, end-at)
	if err := damage.ReadFull(m.File, in, at, "block"); err != nil {
		return nil, err
	}
	b := make([]byte, m.h.block)
	n, err := inflate.Zlib(b, in)
	if err == nil && n < len(b) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, damage.Errorf("block %d, of %d bytes at %d, does not decompress: %v", number, len(in), at, err)
	}
	return b, nil
}
