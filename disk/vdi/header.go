package vdi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	magic      = "\x7f\x10\xda\xbe"
	magicAt    = 64 // after a text for people
	headerSize = 512
	sectorSize = 512

	// maxBlocks bounds the size of the block map: QEMU's limit, of 512 TiB in blocks of
	// 1 MiB.
	maxBlocks = 1<<29 - 128
	// maxBlock bounds the size of a block, which is 1 MiB in all images that are known.
	maxBlock = 16 << 20
)

// The types of images.
const (
	typeDynamic = 1
	typeStatic  = 2
	typeUndo    = 3
	typeDiff    = 4
)

// Where fields are that are written by themselves.
const (
	allocatedAt = 388
	modifyAt    = 408
)

var le = binary.LittleEndian

// A UUID is as it is in the header.
type UUID [16]byte

// String returns the UUID as VirtualBox writes it: the first three parts are little-endian.
func (u UUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(u[:]), le.Uint16(u[4:]), le.Uint16(u[6:]), u[8:10], u[10:])
}

// A Header is what the header of an image says.
type Header struct {
	Type         uint32 // 1 dynamic, 2 static, 3 undo, 4 differencing
	Size         int64  // of the disk, in bytes
	BlockSize    int64  // in bytes
	Blocks       int64  // of the disk
	Allocated    int64  // that are in the file
	Create       UUID   // of the image
	Modify       UUID   // changes when it is written to
	Parent       UUID   // Create of the parent
	ParentModify UUID   // Modify of the parent

	mapAt, dataAt, extra int64 // in bytes
}

// ReadHeader reads the header of an image.
func ReadHeader(r io.ReaderAt) (*Header, error) {
	b := make([]byte, headerSize)
	if err := readFull(r, b, 0); err != nil {
		if errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return nil, err
	}
	if string(b[magicAt:magicAt+4]) != magic {
		return nil, ErrFormat
	}
	if version := le.Uint32(b[68:]); version>>16 != 1 {
		return nil, damaged("version %d.%d is not known", version>>16, version&0xffff)
	}
	h := &Header{
		Type: le.Uint32(b[76:]), mapAt: int64(le.Uint32(b[340:])), dataAt: int64(le.Uint32(b[344:])),
		BlockSize: int64(le.Uint32(b[376:])), extra: int64(le.Uint32(b[380:])),
		Blocks: int64(le.Uint32(b[384:])), Allocated: int64(le.Uint32(b[allocatedAt:])),
		Create: UUID(b[392:]), Modify: UUID(b[modifyAt:]), Parent: UUID(b[424:]), ParentModify: UUID(b[440:]),
	}
	size := le.Uint64(b[368:])
	switch {
	case le.Uint32(b[72:]) < 384:
		return nil, damaged("the header has %d bytes", le.Uint32(b[72:]))
	case h.Type < typeDynamic || h.Type > typeDiff:
		return nil, damaged("images of type %d are not known", h.Type)
	case h.mapAt < headerSize || h.mapAt%sectorSize != 0:
		return nil, damaged("the block map is at %d", h.mapAt)
	case h.BlockSize == 0 || h.BlockSize%sectorSize != 0 || h.BlockSize > maxBlock || h.extra%sectorSize != 0 || h.extra > maxBlock:
		return nil, damaged("blocks of %d bytes, and %d more", h.BlockSize, h.extra)
	case h.Blocks > maxBlocks:
		return nil, damaged("%d blocks", h.Blocks)
	case h.dataAt%sectorSize != 0 || h.dataAt < h.mapAt+h.Blocks*4:
		return nil, damaged("the data begins at %d, the block map of %d blocks at %d", h.dataAt, h.Blocks, h.mapAt)
	case size > math.MaxInt64-sectorSize:
		return nil, damaged("a disk of %d bytes", size)
	}
	// VBoxManage convertfromraw made images of any size; QEMU rounds it up too.
	h.Size = (int64(size) + sectorSize - 1) &^ (sectorSize - 1)
	if h.Size > h.Blocks*h.BlockSize {
		return nil, damaged("%d blocks of %d bytes are too few for %d bytes", h.Blocks, h.BlockSize, h.Size)
	}
	return h, nil
}

// Differencing reports whether the image has the changes to another one.
func (h *Header) Differencing() bool { return h.Parent != UUID{} }

// dataOf returns where the block number slot of the file begins.
func (h *Header) dataOf(slot int64) int64 {
	return h.dataAt + slot*(h.BlockSize+h.extra) + h.extra
}

// readFull reads all of p, or says that the file is too short.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return damaged("the file ends at %d, before %d (was it truncated?)", off+int64(n), off+int64(len(p)))
	}
	return err
}
