package super

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Metadata is what the device says of its partitions. Sizes and offsets are in bytes.
type Metadata struct {
	Partitions []*Partition
	// Devices are the names of the devices that the extents lie on. This is the first.
	Devices []string
	// First is where the data of the first device begin.
	First int64
}

// A Partition is one of the partitions.
type Partition struct {
	Name     string // "system_a"
	ReadOnly bool
	Extents  []Extent
}

// An Extent is a range of a device, or of zeros.
type Extent struct {
	Size   int64
	Zero   bool
	Device int // its number
	Offset int64
}

var le = binary.LittleEndian

const (
	geometryMagic = 0x616c4467
	headerMagic   = 0x414c5030
	geometrySize  = 4096 // the room of each of the two copies, after as much that is reserved
	maxMetadata   = 1 << 20
	maxSlots      = 32
	maxEntries    = 1 << 14 // of partitions, and of extents
)

// Read reads the metadata of a device of size bytes. What they say of extents is not checked
// against the device.
func Read(r io.ReaderAt, size int64) (*Metadata, error) {
	max, slots, err := readGeometry(r)
	if err != nil {
		return nil, err
	}
	// There is a copy of the metadata for each slot, and then all of them once more.
	for i := range 2 * slots {
		var m *Metadata
		if m, err = readMetadata(r, 3*geometrySize+i*max, max); err == nil {
			return m, nil
		}
	}
	return nil, err
}

// readGeometry returns the size of the metadata, and how many slots have them.
func readGeometry(r io.ReaderAt) (max, slots int64, err error) {
	b := make([]byte, 52)
	for _, off := range []int64{geometrySize, 2 * geometrySize} {
		if n, _ := r.ReadAt(b, off); n < len(b) || le.Uint32(b) != geometryMagic || le.Uint32(b[4:]) != 52 || !sealed(b, 8) {
			continue
		}
		max, slots = int64(le.Uint32(b[40:])), int64(le.Uint32(b[44:]))
		if max < 256 || max > maxMetadata || max%512 != 0 || slots < 1 || slots > maxSlots {
			return 0, 0, fmt.Errorf("metadata of %d bytes in %d slots", max, slots)
		}
		return max, slots, nil
	}
	return 0, 0, errors.New("no geometry of a super partition of Android is whole")
}

// sealed reports whether the SHA-256 at an offset is that of the whole, with itself zeroed.
func sealed(b []byte, at int) bool {
	c := bytes.Clone(b)
	clear(c[at : at+32])
	sum := sha256.Sum256(c)
	return bytes.Equal(sum[:], b[at:at+32])
}

// readMetadata reads the metadata of a slot.
func readMetadata(r io.ReaderAt, off, max int64) (*Metadata, error) {
	b := make([]byte, max)
	if n, err := r.ReadAt(b, off); n < len(b) {
		return nil, fmt.Errorf("reading the metadata at %d: %w", off, err)
	}
	if le.Uint32(b) != headerMagic || le.Uint16(b[4:]) != 10 {
		return nil, fmt.Errorf("no metadata of a known version are at %d", off)
	}
	head, tables := int64(le.Uint32(b[8:])), int64(le.Uint32(b[44:]))
	if head < 128 || head > max || tables > max-head || !sealed(b[:head], 12) {
		return nil, fmt.Errorf("the head of the metadata at %d is damaged", off)
	}
	data := b[head : head+tables]
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], b[48:80]) {
		return nil, fmt.Errorf("the metadata at %d are damaged", off)
	}
	parts, err1 := entries(data, b[80:], 52)
	extents, err2 := entries(data, b[92:], 24)
	devices, err3 := entries(data, b[116:], 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("the metadata at %d: %w", off, err)
	}
	return parse(parts, extents, devices)
}

// entries returns the entries of a table, of which the descriptor says where it is.
func entries(data, descriptor []byte, size int64) ([][]byte, error) {
	off, n, each := int64(le.Uint32(descriptor)), int64(le.Uint32(descriptor[4:])), int64(le.Uint32(descriptor[8:]))
	if n > maxEntries || each < size || each > maxMetadata || off > int64(len(data)) || n*each > int64(len(data))-off {
		return nil, fmt.Errorf("a table of %d entries of %d bytes at %d", n, each, off)
	}
	var list [][]byte
	for i := range n {
		list = append(list, data[off+i*each:][:size])
	}
	return list, nil
}

func parse(parts, extents, devices [][]byte) (*Metadata, error) {
	m := &Metadata{}
	sectors := func(n uint64) int64 { return int64(min(n, math.MaxInt64/512)) * 512 }
	for i, d := range devices {
		if i == 0 {
			m.First = sectors(le.Uint64(d))
		}
		m.Devices = append(m.Devices, text(d[24:60]))
	}
	used := 0
	for _, b := range parts {
		attributes, first, n := le.Uint32(b[36:]), int64(le.Uint32(b[40:])), int64(le.Uint32(b[44:]))
		p := &Partition{Name: text(b[:36]), ReadOnly: attributes&1 != 0}
		if attributes&8 != 0 {
			continue // disabled
		}
		if attributes&2 != 0 {
			p.Name += "_a" // the suffix is that of the slot, and this is the first
		}
		if used += int(n); first+n > int64(len(extents)) || used > maxEntries || p.Name == "" {
			return nil, fmt.Errorf("the partition %q has %d extents from number %d on, of %d", p.Name, n, first, len(extents))
		}
		for _, e := range extents[first : first+n] {
			p.Extents = append(p.Extents, Extent{
				Size: sectors(le.Uint64(e)), Zero: le.Uint32(e[8:]) == 1,
				Offset: sectors(le.Uint64(e[12:])), Device: int(le.Uint32(e[20:])),
			})
		}
		m.Partitions = append(m.Partitions, p)
	}
	return m, nil
}

// device returns the name of a device.
func (m *Metadata) device(n int) string {
	if n >= 0 && n < len(m.Devices) {
		return m.Devices[n]
	}
	return fmt.Sprint("number ", n)
}

// text returns a name. liblp allows letters, digits, and underscores in it; others would
// make trouble for the device mapper.
func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(bytes.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-' || c == '.' {
			return c
		}
		return '_'
	}, s))
}
