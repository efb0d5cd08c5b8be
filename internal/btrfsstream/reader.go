package btrfsstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	headerSize = len(Magic) + 4
	// cmdHeader is the size of a struct btrfs_cmd_header: length, command, checksum.
	cmdHeader = 4 + 2 + 4
	// maxCommand bounds the length of a command. The kernel's are not longer than 144 KiB,
	// or 192 KiB where pages have 64.
	maxCommand = 1 << 20
)

// Errors of what is read.
var (
	ErrFormat   = errors.New("not a stream of btrfs")
	ErrVersion  = errors.New("the version of the stream is not known")
	ErrChecksum = errors.New("the checksum is wrong")
)

// A Reader reads streams, of which several can follow each other.
type Reader struct {
	r       io.Reader
	version uint32
	buf     []byte
	cmd     Command
	offset  int64 // of what is read next
}

// NewReader returns a Reader of r, of which it reads no more than it needs.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Version returns the version of the present stream, and 0 before it has begun.
func (r *Reader) Version() uint32 { return r.version }

// Next returns the next command, of the present stream or of the one that follows its End.
// The error is io.EOF where no further stream begins, and io.ErrUnexpectedEOF where one ends
// before its End. Others wrap ErrFormat, ErrVersion, ErrChecksum, or are the reader's.
func (r *Reader) Next() (*Command, error) {
	at := r.offset
	err := r.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("at byte %d of the stream: %w", at, err)
	}
	return &r.cmd, err
}

func (r *Reader) next() error {
	if r.version == 0 || r.cmd.Kind == End {
		if err := r.begin(); err != nil {
			return err
		}
	}
	r.cmd = Command{}
	head, err := r.read(cmdHeader)
	if err != nil {
		return err
	}
	size, kind := binary.LittleEndian.Uint32(head), Kind(binary.LittleEndian.Uint16(head[4:]))
	sum := binary.LittleEndian.Uint32(head[6:])
	switch {
	case size > maxCommand:
		return fmt.Errorf("%w: a command of %d bytes", ErrFormat, size)
	case kind == 0 || kind > maxKind(r.version):
		return fmt.Errorf("%w: command %d in a stream of version %d", ErrFormat, kind, r.version)
	}
	// The checksum is of the header, with zeros for itself, and of what follows.
	clear(head[6:cmdHeader])
	crc := ^crc32.Update(^uint32(0), castagnoli, head)
	body, err := r.read(int(size))
	if err != nil {
		return err
	}
	if crc = ^crc32.Update(^crc, castagnoli, body); crc != sum {
		return fmt.Errorf("%w: of the command %s", ErrChecksum, kind)
	}
	r.cmd.Kind = kind
	return r.attributes(body)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// begin reads the header of a stream.
func (r *Reader) begin() error {
	head, err := r.read(1)
	if err == io.ErrUnexpectedEOF {
		return io.EOF
	}
	if err != nil {
		return err
	}
	first := head[0]
	if head, err = r.read(headerSize - 1); err != nil {
		return err
	}
	if first != Magic[0] || string(head[:len(Magic)-1]) != Magic[1:] {
		return ErrFormat
	}
	r.version = binary.LittleEndian.Uint32(head[len(Magic)-1:])
	if r.version < 1 || r.version > MaxVersion {
		return fmt.Errorf("%w: %d", ErrVersion, r.version)
	}
	return nil
}

// read returns the next n bytes, which stay until it is called again.
func (r *Reader) read(n int) ([]byte, error) {
	if n > cap(r.buf) {
		r.buf = make([]byte, max(n, 64<<10))
	}
	b := r.buf[:n]
	m, err := io.ReadFull(r.r, b)
	r.offset += int64(m)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// attributes takes a command's attributes apart.
func (r *Reader) attributes(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 {
			return fmt.Errorf("%w: %s: an attribute is cut off", ErrFormat, &r.cmd)
		}
		a := Attr(binary.LittleEndian.Uint16(b))
		if a == 0 || a >= maxAttr {
			return fmt.Errorf("%w: %s: attribute %d is not known", ErrFormat, &r.cmd, a)
		}
		b = b[2:]
		// From version 2 on, data has no length: it is all that follows.
		size := len(b)
		if a != Data || r.version == 1 {
			if len(b) < 2 {
				return fmt.Errorf("%w: %s: attribute %d is cut off", ErrFormat, &r.cmd, a)
			}
			size = int(binary.LittleEndian.Uint16(b))
			b = b[2:]
		}
		if size > len(b) {
			return fmt.Errorf("%w: %s: attribute %d is longer than its command", ErrFormat, &r.cmd, a)
		}
		r.cmd.attrs[a] = b[:size:size]
		b = b[size:]
	}
	return nil
}
