package vhd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/unboot/unboot/disk"
)

var (
	be = binary.BigEndian
	le = binary.LittleEndian // of names that Windows uses
)

// Kind is the type of an image, by its number in the footer.
type Kind uint32

// The types of images.
const (
	Fixed        Kind = 2
	Dynamic      Kind = 3
	Differencing Kind = 4
)

func (k Kind) String() string {
	switch k {
	case Fixed:
		return "fixed"
	case Dynamic:
		return "dynamic"
	case Differencing:
		return "differencing"
	}
	return fmt.Sprintf("type %d", uint32(k))
}

const (
	sector     = 512
	footerSize = 512
	// oldFooter is the size of the footer that Virtual PC wrote before the version of
	// 2004, without the last of its bytes, which is reserved.
	oldFooter = 511

	cookie        = "conectix"
	checksumAt    = 64
	noOffset      = 1<<64 - 1
	footerVersion = 0x0001_0000
)

// epoch is when the time stamps of the format begin.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A Footer is the description of the disk that stands at the end of every image and, of
// those that are not fixed, also at the beginning.
type Footer struct {
	Kind     Kind
	ID       [16]byte // the UUID
	Created  time.Time
	Creator  string // of the program, up to four characters: "vpc ", "win ", "qemu"
	Original int64  // size at creation, in bytes
	Current  int64  // size, in bytes
	// The geometry, as it is told to a guest.
	Cylinders, Heads, Sectors int

	header uint64 // offset of the dynamic header
	raw    [footerSize]byte
}

// checksum is the complement of the sum of all bytes but the four at the offset.
func checksum(b []byte, at int) uint32 {
	var sum uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// parseFooter decodes a footer of 512 bytes.
func parseFooter(b []byte) (*Footer, error) {
	if string(b[:8]) != cookie {
		return nil, ErrFormat
	}
	if want, got := be.Uint32(b[checksumAt:]), checksum(b, checksumAt); want != got {
		return nil, damaged("the footer has the checksum %#x, not %#x", got, want)
	}
	if v := be.Uint32(b[12:]); v>>16 != footerVersion>>16 {
		return nil, fmt.Errorf("%w: version %d.%d is not known", ErrFormat, v>>16, v&0xffff)
	}
	f := &Footer{
		Kind: Kind(be.Uint32(b[60:])), ID: [16]byte(b[68:84]),
		Created: epoch.Add(time.Duration(be.Uint32(b[24:])) * time.Second), Creator: string(b[28:32]),
		Cylinders: int(be.Uint16(b[56:])), Heads: int(b[58]), Sectors: int(b[59]),
		header: be.Uint64(b[16:]), raw: [footerSize]byte(b),
	}
	switch f.Kind {
	case Fixed, Dynamic, Differencing:
	default:
		return nil, fmt.Errorf("%w: an image of %v", ErrFormat, f.Kind)
	}
	original, current := be.Uint64(b[40:]), be.Uint64(b[48:])
	if current > maxSize {
		return nil, damaged("a disk of %d bytes", current)
	}
	f.Original, f.Current = int64(min(original, maxSize)), int64(current)
	return f, nil
}

// ReadFooter reads the footer of an image, and nothing else. end is where the data of a
// fixed image ends, in bytes.
func ReadFooter(d disk.Device) (f *Footer, end int64, err error) {
	head, errHead := footerAt(d, 0, footerSize)
	if errHead == nil && head.Kind != Fixed {
		return head, 0, nil
	}
	// Of a fixed image, nothing stands at the beginning but what is on the disk.
	var damage error
	if errors.Is(errHead, ErrDamaged) {
		damage = errHead
	}
	for _, size := range []int64{footerSize, oldFooter} {
		end := d.Size() - size
		if end < 0 {
			continue
		}
		switch f, err := footerAt(d, end, size); {
		case err == nil && (f.Kind == Fixed || errHead != nil):
			return f, end, nil
		case err != nil && !errors.Is(err, ErrFormat):
			damage = err
		}
	}
	if damage != nil {
		return nil, 0, damage
	}
	if errHead != nil && !errors.Is(errHead, ErrFormat) && !errors.Is(errHead, io.EOF) {
		return nil, 0, errHead
	}
	return nil, 0, ErrFormat
}

// footerAt reads a footer of which size bytes are there.
func footerAt(d disk.Device, off, size int64) (*Footer, error) {
	b := make([]byte, footerSize)
	n, err := d.ReadAt(b[:size], off)
	if n < int(size) {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, ErrFormat
		}
		return nil, fmt.Errorf("read the footer: %w", err)
	}
	return parseFooter(b)
}
