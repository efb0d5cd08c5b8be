package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// ErrCancelled is the error of a transfer that the other side ended before its time.
var ErrCancelled = errors.New("transfer of a file was cancelled")

// BatchSize is how many bytes of a file are collected before they are written to the
// connection. A write a chunk would take most of the time of a transfer.
const BatchSize = 256 << 10

// parseChunk returns the data of a chunk; none means that the file ends.
func parseChunk(body []byte) (data []byte, cancel bool, err error) {
	if len(body) < chunkOverhead || len(body) > chunkOverhead+ChunkMax {
		return nil, false, fmt.Errorf("%w: chunk of %d bytes", ErrProtocol, len(body))
	}
	flag := binary.BigEndian.Uint32(body)
	n := binary.BigEndian.Uint32(body[4:])
	padded := (uint64(n) + 3) &^ 3
	if flag > 1 || padded != uint64(len(body)-chunkOverhead) {
		return nil, false, fmt.Errorf("%w: chunk with flag %d, length %d in %d bytes", ErrProtocol, flag, n, len(body))
	}
	return body[chunkOverhead : chunkOverhead+n], flag == 1, nil
}

// appendChunk appends a chunk with data, of which there is at most ChunkMax, and its
// length. Without data it ends the file.
func appendChunk(b, data []byte, cancel bool) []byte {
	pad := -len(data) & 3
	b = binary.BigEndian.AppendUint32(b, uint32(chunkOverhead+len(data)+pad))
	b = binary.BigEndian.AppendUint32(b, bit(cancel))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, pad)...)
}

// decodeHeader splits a message.
func decodeHeader(body []byte, reply bool) (h Header, rest []byte, err error) {
	d := xdr.NewDecoder(body)
	h.Code(d)
	if err := d.Err(); err != nil {
		return h, nil, fmt.Errorf("%w: header: %w", ErrProtocol, err)
	}
	if h.reply != reply {
		return h, nil, fmt.Errorf("%w: message in the wrong direction", ErrProtocol)
	}
	return h, d.Rest(), nil
}
