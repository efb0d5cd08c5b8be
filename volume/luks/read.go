package luks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	magic       = "LUKS\xba\xbe"
	magicSecond = "SKUL\xba\xbe"
	binarySize  = 4096     // of the part of a header of version 2 before the JSON text
	minMetadata = 16 << 10 // of that and the text together
	maxMetadata = 4 << 20
	maxKeyslots = 128 << 20 // bytes of key slots
)

// ReadHeader reads the header of a device of size bytes. It reads at most both copies,
// which have 4 MiB each. The error says what is wrong with the header, and wraps that of
// reading.
func ReadHeader(r io.ReaderAt, size int64) (*Header, error) {
	b, err := readAt(r, size, 0, 512)
	if err == nil && string(b[:6]) == magic && binary.BigEndian.Uint16(b[6:]) == 1 {
		if b, err = readAt(r, size, 0, header1Size); err != nil {
			return nil, fmt.Errorf("reading the LUKS header: %w", err)
		}
		return readHeader1(b, size)
	}
	return readHeader2(r, size)
}

// readAt reads a range that has to lie on the device.
func readAt(r io.ReaderAt, size, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > size-n {
		return nil, errors.New("the device is too small")
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// text returns a string that ends at the first NUL. The last byte of the field is never
// part of it. What could not be shown is left out: these are names.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b[:len(b)-1]), "\x00")
	return strings.ToValidUTF8(s, "")
}
