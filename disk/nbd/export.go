package nbd

import (
	"math"
	"math/bits"
)

// An Export is what a server says of a disk that it exports.
type Export struct {
	Name        string
	Description string
	Size        int64 // bytes
	ReadOnly    bool
	// MinBlock is what offsets and lengths of requests must be multiples of, PreferredBlock
	// what is fastest, and MaxBlock the most that a request may be for; all in bytes.
	MinBlock, PreferredBlock, MaxBlock uint32

	flags uint16
	sized bool // the server has said how large it is
}

// newExport returns an export of which nothing was said.
func newExport(name string) Export {
	return Export{Name: name, MinBlock: 1, PreferredBlock: 4096, MaxBlock: maxPayload}
}

// can reports whether the server takes requests of a kind.
func (e *Export) can(flag uint16) bool { return e.flags&(exportHasFlags|flag) == exportHasFlags|flag }

// setSize reads the size and flags.
func (e *Export) setSize(b []byte) error {
	size := be.Uint64(b)
	if size > math.MaxInt64 {
		return violation("an export of %d bytes", size)
	}
	e.Size, e.flags, e.sized = int64(size), be.Uint16(b[8:]), true
	e.ReadOnly = e.can(exportReadOnly)
	return nil
}

// setInfo reads a piece of information about the export.
func (e *Export) setInfo(b []byte) error {
	if len(b) < 2 {
		return violation("information about an export of %d bytes", len(b))
	}
	kind, b := be.Uint16(b), b[2:]
	switch kind {
	case infoExport:
		if len(b) != 10 {
			return violation("the size of an export in %d bytes", len(b))
		}
		return e.setSize(b)
	case infoName:
		e.Name = text(b)
	case infoDescription:
		e.Description = text(b)
	case infoBlockSize:
		if len(b) != 12 {
			return violation("block sizes of an export in %d bytes", len(b))
		}
		return e.setBlocks(be.Uint32(b), be.Uint32(b[4:]), be.Uint32(b[8:]))
	}
	return nil
}

// setBlocks takes the sizes of blocks over, within the rules of the protocol.
func (e *Export) setBlocks(least, preferred, most uint32) error {
	if bits.OnesCount32(least) != 1 || least > 64<<10 || most < least {
		return violation("blocks of %d to %d bytes", least, most)
	}
	e.MinBlock, e.PreferredBlock = least, max(preferred, least)
	e.MaxBlock = min(most, maxPayload) / least * least
	return nil
}

// usable returns how many bytes can be reached by whole blocks.
func (e *Export) usable() int64 { return e.Size / int64(e.MinBlock) * int64(e.MinBlock) }
