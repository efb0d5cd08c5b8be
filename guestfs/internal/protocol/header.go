package protocol

import (
	"fmt"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Constants of the protocol.
const (
	Program = 0x2000f5f5 // in each header
	Version = 4          // in each header

	LaunchWord   = 0xf5f55ff5 // the daemon is ready
	CancelWord   = 0xffffeeee // stop the transfer of a file
	ProgressWord = 0xffff5555 // a Progress follows

	MessageMax = xdr.Limit // bytes in a message, without its length
	ChunkMax   = 8192      // bytes of a file in a chunk
	ErrorMax   = 64 << 10  // bytes in the text of an error
	ErrnoMax   = 32        // bytes in the name of an errno

	FirstSerial = 0x123400 // of a library's first call
)

const (
	directionCall  = 0
	directionReply = 1

	statusOK    = 0
	statusError = 1

	headerSize    = 40
	progressSize  = 24
	chunkOverhead = 8 // in a chunk's message, before the data
)

// Header begins each call and each reply.
type Header struct {
	Proc         uint32
	Serial       uint32 // of the call; a reply repeats it
	ProgressHint uint64 // bytes that the library will send, or 0 if it does not know
	OptArgs      uint64 // bit i: optional argument i is given

	reply  bool
	failed bool // a reply with an error
}

// Code implements xdr.Coder.
func (h *Header) Code(c *xdr.Codec) {
	prog, vers := uint32(Program), uint32(Version)
	direction, status := bit(h.reply), bit(h.failed)
	c.Uint32(&prog)
	c.Uint32(&vers)
	c.Uint32(&h.Proc)
	c.Uint32(&direction)
	c.Uint32(&h.Serial)
	c.Uint64(&h.ProgressHint)
	c.Uint64(&h.OptArgs)
	c.Uint32(&status)
	if !c.Decoding() || c.Err() != nil {
		return
	}
	switch {
	case prog != Program:
		c.Fail(fmt.Errorf("%w: program %#x", xdr.ErrValue, prog))
	case vers != Version:
		c.Fail(fmt.Errorf("%w: protocol version %d", xdr.ErrValue, vers))
	case direction > directionReply || status > statusError:
		c.Fail(fmt.Errorf("%w: direction %d, status %d", xdr.ErrValue, direction, status))
	}
	h.reply, h.failed = direction == directionReply, status == statusError
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// Progress is how far a call has come.
type Progress struct {
	Proc, Serial    uint32
	Position, Total uint64 // "0 of 1" if it is not known
}

// Code implements xdr.Coder.
func (p *Progress) Code(c *xdr.Codec) {
	c.Uint32(&p.Proc)
	c.Uint32(&p.Serial)
	c.Uint64(&p.Position)
	c.Uint64(&p.Total)
}
