package luks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// readHeader2 reads both headers of version 2 and returns the newer one of those that are
// valid. Where the second one is, the first one says; without that it is looked for at all
// the places that it can have.
func readHeader2(r io.ReaderAt, size int64) (*Header, error) {
	first, length, err1 := readCopy2(r, size, 0)
	var second *Header
	var err2 error
	if length != 0 {
		second, _, err2 = readCopy2(r, size, length)
	} else {
		for off := int64(minMetadata); off <= maxMetadata && second == nil; off *= 2 {
			var n int64
			if second, n, err2 = readCopy2(r, size, off); n != 0 {
				break
			}
		}
	}
	h := first
	switch {
	case first == nil && second == nil:
		if length == 0 {
			// Most places of the second header have nothing that looks like one.
			return nil, fmt.Errorf("LUKS2 header: %w, and there is no second header", err1)
		}
		return nil, fmt.Errorf("LUKS2 header: %w; the second header: %w", err1, err2)
	case first == nil || second != nil && second.Sequence > first.Sequence:
		h = second
		h.Secondary = true
	}
	if end := 2*h.MetadataSize + h.KeyslotsSize; end > size {
		return nil, fmt.Errorf("LUKS2 header: the device has %d bytes, and its key slots alone reach to byte %d", size, end)
	}
	return h, nil
}

// readCopy2 reads the header at an offset. It returns the length of a header that is whole,
// even if what it says is not valid.
func readCopy2(r io.ReaderAt, size, off int64) (*Header, int64, error) {
	b, err := readAt(r, size, off, binarySize)
	if err != nil {
		return nil, 0, err
	}
	be := binary.BigEndian
	want := magic
	if off != 0 {
		want = magicSecond
	}
	length := be.Uint64(b[8:])
	switch version := be.Uint16(b[6:]); {
	case string(b[:6]) != want:
		return nil, 0, errors.New("there is none")
	case version != 2:
		return nil, 0, fmt.Errorf("version %d is not known", version)
	case be.Uint64(b[256:]) != uint64(off):
		return nil, 0, fmt.Errorf("it says that it is at byte %d", be.Uint64(b[256:]))
	case length < minMetadata || length > maxMetadata || off != 0 && length != uint64(off):
		return nil, 0, fmt.Errorf("a size of %d bytes", length)
	}
	area, err := readAt(r, size, off+binarySize, int64(length)-binarySize)
	if err != nil {
		return nil, 0, err
	}
	algorithm := text(b[72:104])
	newHash := hashes[algorithm]
	if newHash == nil {
		return nil, 0, fmt.Errorf("the checksum %q is not known", algorithm)
	}
	sum := bytes.Clone(b[448:512])
	clear(b[448:512])
	hash := newHash()
	hash.Write(b)
	hash.Write(area)
	if !bytes.Equal(hash.Sum(nil), sum[:hash.Size()]) {
		return nil, 0, errors.New("the checksum is wrong")
	}
	h := &Header{
		Version: 2, UUID: text(b[168:208]), Label: text(b[24:72]), Subsystem: text(b[208:256]),
		Sequence: be.Uint64(b[16:]), MetadataSize: int64(length),
	}
	if err := h.decode(area); err != nil {
		return nil, int64(length), err
	}
	h.summarize()
	return h, int64(length), nil
}
