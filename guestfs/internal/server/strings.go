package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Strings returns the runs of at least four printable characters of a file.
func (s *Server) Strings(ctx context.Context, a *rpc.StringsArgs) ([]string, error) {
	return s.strings(ctx, a.Path, encodings['s'])
}

// StringsE is Strings for an encoding of characters, as of strings(1): "s" is ASCII, "S"
// bytes of 8 bits, "b" and "l" 16 bits, "B" and "L" 32 bits, in capitals or not by the
// order of the bytes: big or little endian.
func (s *Server) StringsE(ctx context.Context, a *rpc.StringsEArgs) ([]string, error) {
	if len(a.Encoding) != 1 || encodings[a.Encoding[0]].width == 0 {
		return nil, errorf("%s: invalid encoding", a.Encoding)
	}
	return s.strings(ctx, a.Path, encodings[a.Encoding[0]])
}

// encoding is a width in bytes, which byte of them is the character, and whether it may
// have its high bit set.
type encoding struct {
	width, at int
	high      bool
}

var encodings = map[byte]encoding{
	's': {1, 0, false}, 'S': {1, 0, true}, 'b': {2, 1, false}, 'l': {2, 0, false}, 'B': {4, 3, false}, 'L': {4, 0, false},
}

// minString is the length of the shortest string.
const minString = 4

func (s *Server) strings(ctx context.Context, p string, e encoding) ([]string, error) {
	h, err := s.openRead(p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	r := bufio.NewReaderSize(h, 256<<10)
	var list lineList
	var run []byte
	end := func() error {
		defer func() { run = run[:0] }()
		if len(run) < minString {
			return nil
		}
		return list.add(run)
	}
	unit := make([]byte, 0, 4)
	for err == nil {
		var b byte
		if b, err = r.ReadByte(); err != nil {
			break
		}
		if unit = append(unit, b); len(unit) < e.width {
			continue
		}
		c, ok := e.char(unit)
		if ok {
			unit = unit[:0]
			if run = append(run, c); len(run) > xdr.Limit {
				err = errTooLong
			}
			continue
		}
		// Strings begin at any byte: the rest of this unit may be the start of one.
		if err = end(); err == nil {
			err = ctx.Err()
		}
		unit = append(unit[:0], unit[1:]...)
	}
	if err == io.EOF {
		err = end()
	}
	if err != nil {
		return nil, perror(err, "%s", p)
	}
	return list.list(), nil
}

func (e encoding) char(unit []byte) (c byte, ok bool) {
	c = unit[e.at]
	for i, b := range unit {
		if i != e.at && b != 0 {
			return 0, false
		}
	}
	return c, c >= ' ' && c < 0x7f || c == '\t' || e.high && c >= 0x80
}

// Hexdump returns a file as "hexdump -C" prints it.
func (s *Server) Hexdump(ctx context.Context, a *rpc.HexdumpArgs) (string, error) {
	h, err := s.openRead(a.Path)
	if err != nil {
		return "", err
	}
	defer h.close()
	var b strings.Builder
	r := bufio.NewReaderSize(h, 256<<10)
	const width = 16
	line, last := make([]byte, width), ""
	off, skipping := int64(0), false
	for ctx.Err() == nil {
		n, err := io.ReadFull(r, line)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return "", perror(err, "%s", a.Path)
		}
		switch {
		case n == 0:
			if off > 0 {
				fmt.Fprintf(&b, "%08x\n", off)
			}
			return b.String(), nil
		case n == width && off > 0 && string(line) == last:
			if !skipping {
				b.WriteString("*\n")
			}
			skipping = true
		default:
			hexLine(&b, off, line[:n])
			last, skipping = string(line), false
		}
		if off += int64(n); b.Len() > xdr.Limit {
			return "", errTooLong
		}
	}
	return "", ctx.Err()
}

func hexLine(b *strings.Builder, off int64, line []byte) {
	fmt.Fprintf(b, "%08x ", off)
	for i := range 16 {
		if i%8 == 0 {
			b.WriteByte(' ')
		}
		if i < len(line) {
			fmt.Fprintf(b, "%02x ", line[i])
		} else {
			b.WriteString("   ")
		}
	}
	b.WriteString(" |")
	for _, c := range line {
		if c < ' ' || c >= 0x7f {
			c = '.'
		}
		b.WriteByte(c)
	}
	b.WriteString("|\n")
}
