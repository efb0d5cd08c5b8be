package vmdk

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

const (
	magicSparse   = "KDMV"
	magicCOWD     = "COWD"
	magicSESparse = "\xbe\xba\xfe\xca\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"
)

// Flags of the header of a hosted sparse extent.
const (
	flagNewlines   = 1 << 0
	flagRedundant  = 1 << 1
	flagZeroGrain  = 1 << 2
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17
)

const (
	atEnd = math.MaxUint64 // gdOffset of a header that leaves it to the footer

	compressDeflate = 1

	// maxGrain bounds the size of a grain, in sectors. It is 128 in most images.
	maxGrain = 16 << 20 / sectorSize
	// maxTable is how many entries a grain table can have. It is 512 in all images that
	// are known.
	maxTable = 4096
)

var le = binary.LittleEndian

// A sparseHeader is the header of a hosted sparse extent, as VMware's "Virtual Disk
// Format" has it: SparseExtentHeader.
type sparseHeader struct {
	version    uint32
	flags      uint32
	capacity   int64 // this and what follows is in sectors
	grain      int64
	descriptor int64
	descSize   int64
	entries    int64 // of a grain table
	redundant  int64 // the redundant grain directory, or 0
	directory  int64
	footer     bool // the directory is named by the footer
	overhead   int64
	unclean    bool
	compressed bool
}

// Where fields are that are written by themselves.
const (
	uncleanAt = 72
)

// parseSparseHeader parses a header of 512 bytes. Every offset and size is in range, and
// so is its number of bytes.
func parseSparseHeader(b []byte) (*sparseHeader, error) {
	h := &sparseHeader{
		version: le.Uint32(b[4:]), flags: le.Uint32(b[8:]), entries: int64(le.Uint32(b[44:])),
		unclean: b[uncleanAt] != 0,
	}
	if string(b[:4]) != magicSparse {
		return nil, ErrFormat
	}
	if h.version == 0 || h.version > 3 {
		return nil, damaged("version %d is not known", h.version)
	}
	if lines := string(b[73:77]); h.flags&flagNewlines != 0 && lines != "\n \r\n" {
		return nil, damaged("the ends of lines in it were changed to %q: it was copied as a text", lines)
	}
	for _, f := range []struct {
		to   *int64
		at   int
		what string
	}{
		{&h.capacity, 12, "capacity"}, {&h.grain, 20, "size of a grain"}, {&h.descriptor, 28, "place of the descriptor"},
		{&h.descSize, 36, "size of the descriptor"}, {&h.redundant, 48, "place of the redundant grain directory"},
		{&h.directory, 56, "place of the grain directory"}, {&h.overhead, 64, "overhead"},
	} {
		v := le.Uint64(b[f.at:])
		if f.to == &h.directory && v == atEnd {
			h.footer, v = true, 0
		}
		if f.to == &h.redundant && h.flags&flagRedundant == 0 {
			v = 0
		}
		if v > math.MaxInt64/sectorSize/2 {
			return nil, damaged("the %s is %d sectors", f.what, v)
		}
		*f.to = int64(v)
	}
	switch algorithm := le.Uint16(b[77:]); {
	case h.flags&flagCompressed == 0 && algorithm == 0:
	case algorithm == compressDeflate:
		h.compressed = true
	default:
		return nil, damaged("the compression algorithm %d is not known", algorithm)
	}
	// An image whose extents are all elsewhere has no grains.
	if h.capacity == 0 && h.grain == 0 {
		return h, nil
	}
	switch {
	case h.grain == 0 || h.grain > maxGrain:
		return nil, damaged("a grain has %d sectors", h.grain)
	case h.entries == 0 || h.entries > maxTable:
		return nil, damaged("a grain table has %d entries", h.entries)
	}
	return h, nil
}

// readSparseHeader reads the header of a hosted sparse extent, or its footer if the header
// says that this counts. started reports whether the file is one that has been created
// and ends before the first grain.
func readSparseHeader(r io.ReaderAt, size int64) (h *sparseHeader, started bool, err error) {
	b := make([]byte, sectorSize)
	if err := readFull(r, b, 0); err != nil {
		return nil, false, err
	}
	if h, err = parseSparseHeader(b); err != nil || !h.footer {
		return h, false, err
	}
	if h.compressed && h.overhead*sectorSize == size {
		return h, true, nil
	}
	footer, err := readFooter(r, size)
	if err != nil {
		return nil, false, err
	}
	if footer.capacity != h.capacity || footer.footer {
		return nil, false, damaged("the footer says something else than the header")
	}
	footer.footer = true
	footer.descriptor, footer.descSize = h.descriptor, h.descSize
	return footer, false, nil
}

// maxPadding is how much may follow an image in its file, in bytes: some tools fill up the
// last block of theirs.
const maxPadding = 1 << 20

// readFooter finds the footer. It is the last but one sector of the image: before it is
// its marker, and after it the one that ends the stream.
func readFooter(r io.ReaderAt, size int64) (*sparseHeader, error) {
	end := size &^ (sectorSize - 1)
	start := max(end-maxPadding, 0)
	b := make([]byte, min(3*sectorSize, end)) // what is there in nearly all images
	for range 2 {
		from := end - int64(len(b))
		if err := readFull(r, b, from); err != nil {
			return nil, err
		}
		for at := len(b) - 3*sectorSize; at >= 0; at -= sectorSize {
			marker, head, eos := b[at:], b[at+sectorSize:], b[at+2*sectorSize:]
			if string(head[:4]) == magicSparse && isMarker(marker, markerFooter) && isMarker(eos, markerEnd) {
				return parseSparseHeader(head[:sectorSize])
			}
		}
		b = make([]byte, end-start)
	}
	return nil, damaged("the footer is missing: the file was cut off, or was not finished")
}

// The types of markers in a stream.
const (
	markerEnd       = 0
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3
)

// isMarker reports whether a sector is a marker of a type, which is not one of a grain.
func isMarker(b []byte, kind uint32) bool {
	return le.Uint32(b[8:]) == 0 && le.Uint32(b[12:]) == kind && (kind != markerEnd || le.Uint64(b) == 0)
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
