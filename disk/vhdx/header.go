package vhdx

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
)

// Where things are in the first MiB of the file.
const (
	mib = 1 << 20

	signature     = "vhdxfile"
	headerAt1     = 64 << 10
	headerAt2     = 128 << 10
	headerSize    = 4 << 10
	regionsAt1    = 192 << 10
	regionsAt2    = 256 << 10
	regionsSize   = 64 << 10
	checksumAt    = 4
	maxFile       = 1 << 47 // bounds offsets in a file
	headerVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of a structure, with the four bytes of its own checksum as zeros.
func checksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:checksumAt])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[checksumAt+4:])
}

// header is one of the two headers, of which that with the higher sequence number counts.
type header struct {
	at         int64
	sequence   uint64
	fileWrite  GUID // changes when the file is written to
	dataWrite  GUID // changes when what is on the disk does
	logGUID    GUID // of the entries of the log that count; zero if it is empty
	logVersion uint16
	logLength  int64
	logAt      int64
	raw        []byte
}

// readHeader returns the header that counts.
func readHeader(r io.ReaderAt) (*header, error) {
	b := make([]byte, len(signature))
	if n, err := r.ReadAt(b, 0); n < len(b) && err != io.EOF {
		return nil, fmt.Errorf("read the file identifier: %w", err)
	}
	if string(b) != signature {
		return nil, ErrFormat
	}
	one, err1 := headerFrom(r, headerAt1)
	two, err2 := headerFrom(r, headerAt2)
	switch {
	case err1 != nil && err2 != nil:
		return nil, err1
	case err1 != nil:
		return two, two.check()
	case err2 != nil, one.sequence > two.sequence:
		return one, one.check()
	case one.sequence < two.sequence, bytes.Equal(one.raw, two.raw): // as Disk2vhd writes them
		return two, two.check()
	}
	return nil, damaged("two headers that differ have the sequence number %d", one.sequence)
}

func headerFrom(r io.ReaderAt, at int64) (*header, error) {
	b := make([]byte, headerSize)
	if err := readFull(r, b, at, "header"); err != nil {
		return nil, err
	}
	if string(b[:4]) != "head" {
		return nil, damaged("there is no header at %d", at)
	}
	if want, got := le.Uint32(b[checksumAt:]), checksum(b); want != got {
		return nil, damaged("the header at %d has the checksum %#x, not %#x", at, got, want)
	}
	if v := le.Uint16(b[66:]); v != headerVersion {
		return nil, fmt.Errorf("%w: version %d", ErrFeature, v)
	}
	return &header{
		at: at, sequence: le.Uint64(b[8:]),
		fileWrite: GUID(b[16:32]), dataWrite: GUID(b[32:48]), logGUID: GUID(b[48:64]),
		logVersion: le.Uint16(b[64:]), logLength: int64(le.Uint32(b[68:])), logAt: int64(min(le.Uint64(b[72:]), 1<<63-1)),
		raw: b,
	}, nil
}

// check returns an error for a header whose log cannot be where it is said to be.
func (h *header) check() error {
	switch {
	case h.logAt%mib != 0 || h.logLength%mib != 0 || h.logLength != 0 && h.logAt < mib || h.logAt > maxFile:
		return damaged("a log of %d bytes at %d", h.logLength, h.logAt)
	case h.logGUID != GUID{} && h.logVersion != 0:
		return fmt.Errorf("%w: a log of version %d", ErrFeature, h.logVersion)
	}
	return nil
}
