package compressed

import (
	"errors"
	"io/fs"
	"sort"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

const (
	maxPiece   = 64 << 20 // bytes, decompressed
	pieceCache = 128 << 20
	// MaxPieces is how many pieces are read alone. An image of more is decompressed to a
	// file.
	MaxPieces = 2 << 20
)

// A piece is a part of the disk that is decompressed alone.
type piece struct {
	start, size int64 // of the disk
	at, packed  int64 // in the file
}

// pieces are all of a disk, in its order and without gaps.
type pieces []piece

func (list pieces) size() int64 {
	if len(list) == 0 {
		return 0
	}
	last := list[len(list)-1]
	return last.start + last.size
}

// add adds a piece that follows, unless it is empty.
func (list *pieces) add(size, at, packed int64) error {
	switch {
	case size == 0:
		return nil
	case size < 0 || size > maxPiece || packed < 0 || packed > maxPiece+maxPiece/8 || len(*list) == MaxPieces:
		return errNoIndex
	}
	*list = append(*list, piece{list.size(), size, at, packed})
	return nil
}

// An image is one that is read by pieces.
type image struct {
	readonly.Image
	kind   Kind
	pieces pieces
	blocks *tables.Blocks
}

func (k Kind) open(d disk.Device, path string) (disk.Device, error) {
	if err := k.checkContent(d); err != nil {
		return nil, err
	}
	return k.unpack(d, path)
}

// unpack opens what is compressed, whatever it is.
func (k Kind) unpack(d disk.Device, path string) (disk.Device, error) {
	list, err := k.index(d)
	if err != nil {
		return k.spool(d, path)
	}
	m := &image{kind: k, pieces: list, blocks: tables.NewBlocks(pieceCache)}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage, Bytes: list.size()}
	return m, nil
}

// index returns the pieces of a file, two or more. The error is why there are none.
func (k Kind) index(d disk.Device) (list pieces, err error) {
	switch k {
	case "gzip":
		list, err = indexBGZF(d)
	case "xz":
		list, err = indexXZ(d)
	case "zstd":
		list, err = indexZstd(d)
	case "lzop":
		list, err = indexLZOP(d)
	}
	if err == nil && len(list) < 2 {
		err = errNoIndex
	}
	return list, err
}

// piece returns the piece that a byte of the disk is in.
func (m *image) piece(off int64) *piece {
	i := sort.Search(len(m.pieces), func(i int) bool { return m.pieces[i].start+m.pieces[i].size > off })
	return &m.pieces[i]
}

// Segment implements [readonly.Layout].
func (m *image) Segment(off, n int64) (readonly.Segment, error) {
	p := m.piece(off)
	return readonly.Segment{Size: min(n, p.start+p.size-off), Kind: disk.Compressed}, nil
}

// Unpack implements [readonly.Layout].
func (m *image) Unpack(b []byte, off int64) error {
	p := m.piece(off)
	whole, err := m.blocks.Get(p.start, int(p.size), func() ([]byte, error) { return m.kind.decompress(m.File, p) })
	if err == nil {
		copy(b, whole[off-p.start:])
	}
	return err
}

// wrap names the image in an error that does not name one.
func (*image) wrap(path string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: "open", Path: path, Err: err}
}
