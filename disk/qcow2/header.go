package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	magic = "QFI\xfb"

	headerSize2 = 72  // bytes, of version 2
	headerSize3 = 104 // bytes, at least

	minClusterBits         = 9
	maxClusterBits         = 21
	minExtendedClusterBits = 14 // a subcluster has 512 bytes at least

	// maxL1 is the largest L1 table, in bytes. It is QEMU's limit.
	maxL1 = 32 << 20
	// maxName is the longest name of another file, in bytes, by the specification.
	maxName = 1023
)

// Header is what an image's header says.
type Header struct {
	Version     int
	Size        int64 // of the disk, in bytes
	ClusterSize int   // bytes

	// BackingFile is the name of the image that holds what this one does not, as
	// it is written in the header, or "". It may be relative to the image's
	// directory, a URL, or "json:" with options of QEMU: see [Resolve].
	BackingFile string
	// BackingFormat is the backing file's format: "raw", "qcow2", … It is "" in
	// old images, for which one has to guess.
	BackingFormat string

	// ExternalData says that the clusters are in another file, DataFile, if it
	// has a name.
	ExternalData bool
	DataFile     string
	// RawData says that the data file is a valid raw image too.
	RawData bool

	Encryption  string   // "", "AES" or "LUKS"
	Compression string   // "zlib" (in fact deflate) or "zstd"
	ExtendedL2  bool     // clusters consist of 32 subclusters
	Snapshots   int      // internal ones
	Dirty       bool     // reference counts may be wrong
	Corrupt     bool     // any of the metadata may be wrong
	Unknown     []string // features without which the image cannot be read

	clusterBits uint
	l1Size      uint32 // entries
	l1Offset    int64
	length      int64 // of the header

	// For writing. None of these has been checked: see [Header.checkWrite].
	refcountOrder   uint // logarithm of the bits of a reference count
	refTable        int64
	refClusters     uint32 // of the refcount table
	snapshotsOffset int64
	incompatible    uint64
	autoclear       uint64
	encryption      part // the header of LUKS
	bitmaps         part // their directory
}

// Incompatible features, by their bits.
const (
	featureDirty = 1 << iota
	featureCorrupt
	featureExternalData
	featureCompression
	featureExtendedL2

	featuresKnown = 1<<iota - 1
)

// Autoclear features, by their bits.
const (
	autoclearBitmaps = 1 << iota
	autoclearRawData
)

// ReadHeader reads the header of an image, and nothing else. The image may still be
// one that [Open] refuses, such as an encrypted one. Errors wrap [ErrFormat] or
// [ErrDamaged], or are those of r.
func ReadHeader(r io.ReaderAt) (*Header, error) {
	b := make([]byte, 112)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	if n < 8 || string(b[:4]) != magic {
		return nil, ErrFormat
	}
	h := &Header{Version: int(be.Uint32(b[4:]))}
	switch h.Version {
	case 2, 3:
	default:
		return nil, fmt.Errorf("%w: version %d is not known", ErrFormat, be.Uint32(b[4:]))
	}
	if n < headerSize2 || h.Version == 3 && n < headerSize3 {
		return nil, damaged("the header ends after %d bytes", n)
	}
	features, err := h.parse(b)
	if err != nil {
		return nil, err
	}
	if err := h.checkL1(); err != nil {
		return nil, err
	}
	if err := h.readNames(r, b, features); err != nil {
		return nil, err
	}
	return h, nil
}

// parse decodes the header's fixed part, and returns the incompatible features. A
// header that is shorter than b has zeros there, which mean the defaults.
func (h *Header) parse(b []byte) (features uint64, err error) {
	bits := be.Uint32(b[20:])
	if bits < minClusterBits || bits > maxClusterBits {
		return 0, damaged("clusters of 2^%d bytes", bits)
	}
	h.clusterBits = uint(bits)
	h.ClusterSize = 1 << bits
	size := be.Uint64(b[24:])
	if size > math.MaxInt64 {
		return 0, damaged("a disk of %d bytes", size)
	}
	h.Size = int64(size) / sectorSize * sectorSize // as in QEMU
	switch method := be.Uint32(b[32:]); method {
	case 0:
	case 1:
		h.Encryption = encryptionAES
	case 2:
		h.Encryption = encryptionLUKS
	default:
		return 0, damaged("encryption method %d", method)
	}
	h.l1Size = be.Uint32(b[36:])
	h.Snapshots = int(be.Uint32(b[60:]))
	h.refTable = int64(be.Uint64(b[48:]))
	h.refClusters = be.Uint32(b[56:])
	h.snapshotsOffset = int64(be.Uint64(b[64:]))
	h.refcountOrder = 4
	h.Compression = "zlib"
	h.length = headerSize2
	if offset := be.Uint64(b[40:]); offset <= math.MaxInt64-maxL1 {
		h.l1Offset = int64(offset)
	} else {
		return 0, damaged("the L1 table is at %d", offset)
	}
	if h.Version == 2 {
		return 0, nil
	}

	features = be.Uint64(b[72:])
	h.incompatible, h.autoclear = features, be.Uint64(b[88:])
	h.refcountOrder = uint(be.Uint32(b[96:]))
	h.Dirty = features&featureDirty != 0
	h.Corrupt = features&featureCorrupt != 0
	h.ExternalData = features&featureExternalData != 0
	h.ExtendedL2 = features&featureExtendedL2 != 0
	h.RawData = h.ExternalData && h.autoclear&autoclearRawData != 0
	h.length = int64(be.Uint32(b[100:]))
	if h.length < headerSize3 || h.length > int64(h.ClusterSize) {
		return 0, damaged("a header of %d bytes", h.length)
	}
	if h.ExtendedL2 && h.clusterBits < minExtendedClusterBits {
		return 0, damaged("extended L2 entries with clusters of %d bytes", h.ClusterSize)
	}
	return features, h.parseCompression(b, features&featureCompression != 0)
}

func (h *Header) parseCompression(b []byte, other bool) error {
	var kind byte
	if h.length > 104 {
		kind = b[104]
	}
	if other != (kind != 0) {
		return damaged("compression type %d contradicts the features", kind)
	}
	switch kind {
	case 0:
	case 1:
		h.Compression = "zstd"
	default:
		h.Unknown = append(h.Unknown, fmt.Sprintf("compression type %d", kind))
		h.Compression = ""
	}
	return nil
}

// checkL1 reports whether the L1 table can be where it is said to be, and covers the
// disk.
func (h *Header) checkL1() error {
	if int64(h.l1Size)*8 > maxL1 {
		return damaged("an L1 table of %d entries", h.l1Size)
	}
	if h.l1Offset&int64(h.ClusterSize-1) != 0 {
		return damaged("the L1 table is at %d, which is not the start of a cluster", h.l1Offset)
	}
	// An L1 entry stands for no more than 2^39 bytes, so nothing overflows.
	if covered := int64(h.l1Size) << h.l1Shift(); covered < h.Size {
		return damaged("the L1 table has %d entries, too few for a disk of %d bytes", h.l1Size, h.Size)
	}
	return nil
}

// entrySize returns the size of an L2 entry in bytes.
func (h *Header) entrySize() int {
	if h.ExtendedL2 {
		return 16
	}
	return 8
}

// l2Bits returns the logarithm of the number of entries in an L2 table.
func (h *Header) l2Bits() uint {
	if h.ExtendedL2 {
		return h.clusterBits - 4
	}
	return h.clusterBits - 3
}

// l1Shift returns the logarithm of the bytes that an L1 entry stands for.
func (h *Header) l1Shift() uint { return h.clusterBits + h.l2Bits() }

// readNames reads what is in the rest of the header's cluster: extensions, and the
// name of the backing file.
func (h *Header) readNames(r io.ReaderAt, b []byte, features uint64) error {
	end := int64(h.ClusterSize)
	if off, n := be.Uint64(b[8:]), be.Uint32(b[16:]); off != 0 {
		if n > maxName || off > uint64(h.ClusterSize) || off+uint64(n) > uint64(h.ClusterSize) {
			return damaged("the backing file's name has %d bytes at %d", n, off)
		}
		name := make([]byte, n)
		if err := readFull(r, name, int64(off)); err != nil {
			return fmt.Errorf("read the backing file's name: %w", err)
		}
		if bytes.IndexByte(name, 0) >= 0 {
			return damaged("the backing file's name has a zero byte")
		}
		h.BackingFile = string(name)
		end = int64(off)
	}
	names, err := h.readExtensions(r, end)
	if err != nil {
		return err
	}
	for bit := range 64 {
		if features&^featuresKnown&(1<<bit) == 0 {
			continue
		}
		name := names[bit]
		if name == "" {
			name = fmt.Sprintf("incompatible feature %d", bit)
		}
		h.Unknown = append(h.Unknown, name)
	}
	return nil
}

// check returns an error for an image that this package cannot read.
func (h *Header) check() error {
	if len(h.Unknown) != 0 {
		return fmt.Errorf("%w: %q", ErrFeature, h.Unknown)
	}
	return nil
}

// Problems says, in words for people, what the header says is wrong with the image.
func (h *Header) Problems() []string {
	var p []string
	if h.Dirty {
		p = append(p, "the image was not closed properly (dirty): its reference counts may be wrong")
	}
	if h.Corrupt {
		p = append(p, "the image is marked as corrupt: try qemu-img check -r all on a copy")
	}
	return p
}

// readFull reads all of p. That it is not there is damage.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w", ErrDamaged, io.ErrUnexpectedEOF)
	}
	return err
}

var be = binary.BigEndian
