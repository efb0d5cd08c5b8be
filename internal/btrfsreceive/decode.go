package btrfsreceive

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/unboot/unboot/internal/btrfsstream"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// decode returns the part of a file that a compressed extent is. As in the kernel, what the
// compressed data has too little of is zeros.
func decode(e btrfs.Encoded, data []byte) ([]byte, error) {
	if e.UnencodedLength > maxEncoded || e.UnencodedOffset > e.UnencodedLength || e.Length > e.UnencodedLength-e.UnencodedOffset {
		return nil, fmt.Errorf("%w: an extent of %d bytes at %d of %d", btrfsstream.ErrFormat, e.Length, e.UnencodedOffset, e.UnencodedLength)
	}
	if e.Encryption != 0 {
		return nil, fmt.Errorf("%w: encryption %d", errors.ErrUnsupported, e.Encryption)
	}
	// The numbers are BTRFS_ENCODED_IO_COMPRESSION_ of linux/btrfs.h.
	plain := make([]byte, e.UnencodedLength)
	var err error
	switch {
	case e.Compression == 1:
		err = inflate(plain, data)
	case e.Compression == 2:
		err = unzstd(plain, data)
	case e.Compression >= 3 && e.Compression <= 7:
		err = unlzo(plain, data, 4096<<(e.Compression-3))
	default:
		err = fmt.Errorf("%w: compression %d", errors.ErrUnsupported, e.Compression)
	}
	if err != nil {
		return nil, err
	}
	return plain[e.UnencodedOffset:][:e.Length], nil
}

func inflate(plain, data []byte) error {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return fill(plain, r)
}

func unzstd(plain, data []byte) error {
	r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxEncoded), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer r.Close()
	return fill(plain, r)
}

// fill reads what there is. That may be less than a whole extent, and what follows it in the
// data, up to a whole block, is no frame.
func fill(plain []byte, r io.Reader) error {
	n, err := io.ReadFull(r, plain)
	if err == io.ErrUnexpectedEOF || err == io.EOF || n > 0 && errors.Is(err, zstd.ErrMagicMismatch) {
		return nil
	}
	return err
}
