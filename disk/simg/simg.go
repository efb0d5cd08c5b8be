// Package simg reads Android's sparse images, as img2simg(1) and fastboot make them, as a
// [disk.Device] that cannot be written to.
//
// It follows AOSP's system/core/libsparse/sparse_format.h, version 1: chunks of raw data, of
// a repeated word, of what nobody cares about, which reads as zeros, and of checksums. Like
// simg2img(1), it does not compute the checksums, for which all of the image would have to
// be read. An image that was split, each piece with chunks for its part of the disk, is not
// put together.
//
// # Hostile images
//
// An image names no other files. The table of chunks, which lies scattered through the file,
// is read when the image is opened: of no more chunks than [MaxChunks], each a few bytes of
// memory. Damage is an error that names the image when what it concerns is read: after a
// chunk that cannot be, that is all the rest of the disk.
package simg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// MaxChunks is how many chunks an image can have. That of a system has some thousands.
const MaxChunks = 1 << 20

// ErrDamaged is wrapped by the errors of an image that says what cannot be.
var ErrDamaged = errors.New("damaged sparse image of Android")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

const (
	magic      = "\x3a\xff\x26\xed"
	headerSize = 28
	chunkSize  = 12 // of a chunk's own header
)

// The types of chunks.
const (
	chunkRaw      = 0xcac1
	chunkFill     = 0xcac2
	chunkDontCare = 0xcac3
	chunkCRC32    = 0xcac4
)

var le = binary.LittleEndian

// Match reports whether an image that begins with head is in this format.
func Match(head, _ []byte) bool { return string(head[:4]) == magic && le.Uint16(head[4:]) == 1 }

// Open opens the image on a device, which it closes when it is closed. path is for errors.
func Open(d disk.Device, path string, _ func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	h, err := readHeader(d)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	m := &image{file: d, path: path, size: h.size()}
	if err := m.readChunks(h); err != nil {
		return nil, m.wrap("open", err)
	}
	return m, nil
}

// Stat returns the size of the disk in bytes. There are no other files.
func Stat(d disk.Device) (int64, []disk.Reference, error) {
	h, err := readHeader(d)
	if err != nil {
		return 0, nil, err
	}
	return h.size(), nil, nil
}

type header struct {
	size0, chunkSize int64 // of the header, and of one of a chunk, in bytes
	block            int64 // in bytes
	blocks           int64
	chunks           int64
}

func (h *header) size() int64 { return h.block * h.blocks }

func readHeader(r io.ReaderAt) (*header, error) {
	b := make([]byte, headerSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, short(err)
	}
	if !Match(b, nil) {
		return nil, errors.New("not a sparse image of Android")
	}
	h := &header{
		size0: int64(le.Uint16(b[8:])), chunkSize: int64(le.Uint16(b[10:])),
		block: int64(le.Uint32(b[12:])), blocks: int64(le.Uint32(b[16:])), chunks: int64(le.Uint32(b[20:])),
	}
	switch {
	case h.size0 < headerSize || h.chunkSize < chunkSize:
		return nil, damaged("headers of %d and %d bytes", h.size0, h.chunkSize)
	case h.block == 0 || h.block%4 != 0:
		return nil, damaged("blocks of %d bytes", h.block)
	case h.blocks > math.MaxInt64/h.block:
		return nil, damaged("%d blocks of %d bytes", h.blocks, h.block)
	}
	return h, nil
}

// short is an error for a file that has ended.
func short(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return damaged("the file ends before the image does")
	}
	return err
}

// A chunk is a part of the disk. It ends where the next one begins.
type chunk struct {
	start int64 // in the disk
	at    int64 // in the file, of raw data; or one of the values below
	fill  [4]byte
}

const (
	filled = -1
	broken = -2 // reading it is the error of the image
)

// An image is a [disk.Device].
type image struct {
	file   disk.Device
	path   string
	size   int64
	chunks []chunk // without gaps
	err    error   // of the part that is broken
}

// readChunks reads the table of chunks. The error is one of the file itself.
func (m *image) readChunks(h *header) error {
	at, end := h.size0, int64(0) // in the file, and of the disk
	b := make([]byte, chunkSize+4)
	for i := int64(0); i < h.chunks && m.err == nil; i++ {
		n, err := m.file.ReadAt(b[:chunkSize], at)
		if n < chunkSize {
			if m.err = short(err); !errors.Is(m.err, ErrDamaged) {
				return m.err
			}
			break
		}
		kind, size, total := le.Uint16(b), int64(le.Uint32(b[4:]))*h.block, int64(le.Uint32(b[8:]))
		data := at + h.chunkSize
		c := chunk{start: end, at: filled}
		inFile := int64(0)
		switch kind {
		case chunkRaw:
			c.at, inFile = data, size
		case chunkFill:
			inFile = 4
			if n, err := m.file.ReadAt(c.fill[:], data); n < 4 {
				m.err = short(err)
			}
		case chunkDontCare:
		case chunkCRC32:
			size, inFile = 0, 4
		default:
			m.err = damaged("chunk %d is of the type %#x", i, kind)
		}
		switch {
		case m.err != nil:
		case total != h.chunkSize+inFile:
			m.err = damaged("chunk %d takes %d bytes and not %d", i, total, h.chunkSize+inFile)
		case size > m.size-end:
			m.err = damaged("chunk %d ends at %d of a disk of %d bytes", i, end+size, m.size)
		case i == MaxChunks:
			m.err = damaged("it has more than %d chunks", MaxChunks)
		case size > 0 && !m.joins(c):
			m.chunks = append(m.chunks, c)
		}
		if m.err == nil {
			at, end = at+total, end+size
		}
	}
	if m.err == nil && end < m.size {
		m.err = damaged("its chunks end at %d of a disk of %d bytes", end, m.size)
	}
	if end < m.size {
		m.chunks = append(m.chunks, chunk{start: end, at: broken})
	}
	return nil
}

// joins reports whether a chunk reads like the one before it.
func (m *image) joins(c chunk) bool {
	if len(m.chunks) == 0 {
		return false
	}
	last := m.chunks[len(m.chunks)-1]
	return c.at == filled && last.at == filled && c.fill == last.fill
}

// chunk returns the number of the chunk that a byte of the disk lies in, and where it ends.
func (m *image) chunk(off int64) (i int, end int64) {
	i, found := slices.BinarySearchFunc(m.chunks, off, func(c chunk, off int64) int {
		switch {
		case c.start < off:
			return -1
		case c.start > off:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i+1 < len(m.chunks) {
		return i, m.chunks[i+1].start
	}
	return i, m.size
}

// ReadAt implements [io.ReaderAt].
func (m *image) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, m.wrap("read", syscall.EINVAL)
	}
	for n < len(p) {
		if off >= m.size {
			return n, io.EOF
		}
		i, end := m.chunk(off)
		c := &m.chunks[i]
		piece := p[n:][:min(int64(len(p)-n), end-off)]
		switch c.at {
		case broken:
			return n, m.wrap("read", m.err)
		case filled:
			for j := range piece {
				piece[j] = c.fill[(off-c.start+int64(j))%4]
			}
		default:
			if got, err := m.file.ReadAt(piece, c.at+off-c.start); got < len(piece) {
				return n + got, m.wrap("read", short(err))
			}
		}
		n += len(piece)
		off += int64(len(piece))
	}
	return n, nil
}

// Extents implements [disk.Extenter].
func (m *image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= m.size {
			return
		}
		stop := off + min(n, m.size-off)
		for off < stop {
			i, end := m.chunk(off)
			c := &m.chunks[i]
			e := disk.Extent{Start: off, Size: min(end, stop) - off, Kind: disk.Compressed}
			switch {
			case c.at == broken:
				yield(disk.Extent{}, m.wrap("read", m.err))
				return
			case c.at != filled:
				e.Kind, e.Offset = disk.Data, c.at+off-c.start
			case c.fill == [4]byte{}:
				e.Kind = disk.Hole
			}
			if !yield(e, nil) {
				return
			}
			off += e.Size
		}
	}
}

// Size returns the size of the disk in bytes.
func (m *image) Size() int64 { return m.size }

// WriteAt fails with EROFS.
func (m *image) WriteAt([]byte, int64) (int, error) { return 0, m.wrap("write", syscall.EROFS) }

// Flush does nothing, as there is nothing that was written.
func (m *image) Flush() error { return nil }

// Close closes the file.
func (m *image) Close() error { return m.file.Close() }

// wrap names the image in an error that does not name one.
func (m *image) wrap(op string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: op, Path: m.path, Err: err}
}
