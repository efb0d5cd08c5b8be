package nbd

import (
	"encoding/binary"
	"fmt"
	"syscall"
)

// be is the order of bytes of the protocol.
var be = binary.BigEndian

// DefaultPort is the TCP port of NBD, as IANA has it.
const DefaultPort = "10809"

// The magic numbers.
const (
	magicInit       = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption     = 0x49484156454f5054 // "IHAVEOPT"
	magicOldstyle   = 0x00420281861253
	magicOptReply   = 0x0003e889045565a9
	magicRequest    = 0x25609513
	magicSimple     = 0x67446698
	magicStructured = 0x668e33ef
)

// Flags of the handshake, of the server and, the same, of the client.
const (
	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1
)

// Options, by which a client haggles.
const (
	optExportName      = 1
	optAbort           = 2
	optList            = 3
	optStartTLS        = 5
	optInfo            = 6
	optGo              = 7
	optStructuredReply = 8
	optListMeta        = 9
	optSetMeta         = 10
)

// Types of replies to options. Those from repError on are errors.
const (
	repAck    = 1
	repServer = 2
	repInfo   = 3
	repMeta   = 4

	repError          = 1 << 31
	repErrUnsupported = repError + 1
	repErrPolicy      = repError + 2
	repErrInvalid     = repError + 3
	repErrPlatform    = repError + 4
	repErrTLSRequired = repError + 5
	repErrUnknown     = repError + 6
	repErrShutdown    = repError + 7
	repErrBlockSize   = repError + 8
	repErrTooBig      = repError + 9
)

// Kinds of information about an export.
const (
	infoExport      = 0
	infoName        = 1
	infoDescription = 2
	infoBlockSize   = 3
)

// Flags of an export.
const (
	exportHasFlags    = 1 << 0
	exportReadOnly    = 1 << 1
	exportFlush       = 1 << 2
	exportFUA         = 1 << 3
	exportTrim        = 1 << 5
	exportWriteZeroes = 1 << 6
	exportDF          = 1 << 7
	exportMultiConn   = 1 << 8
)

// Types of requests.
const (
	cmdRead        = 0
	cmdWrite       = 1
	cmdDisconnect  = 2
	cmdFlush       = 3
	cmdTrim        = 4
	cmdWriteZeroes = 6
	cmdBlockStatus = 7
)

// Flags of requests.
const (
	cmdFlagFUA    = 1 << 0
	cmdFlagNoHole = 1 << 1
	cmdFlagDF     = 1 << 2
	cmdFlagOne    = 1 << 3
)

// A structured reply is one or more chunks, of which the last has the flag.
const chunkDone = 1 << 0

// Types of chunks. Those from chunkError on are errors.
const (
	chunkNone        = 0
	chunkData        = 1
	chunkHole        = 2
	chunkStatus      = 5
	chunkError       = 1<<15 + 1
	chunkErrorOffset = 1<<15 + 2

	chunkIsError = 1 << 15
)

// contextAllocation is the meta context that says what is a hole, with these flags.
const (
	contextAllocation = "base:allocation"
	stateHole         = 1 << 0
	stateZero         = 1 << 1
)

// Bounds.
const (
	maxName       = 4096     // of an export or a text, by the protocol
	maxOption     = 64 << 10 // of the data of an option or of its reply
	maxPayload    = 32 << 20 // of a request, which every server takes by the protocol
	maxStatus     = 8 << 20  // of a reply to BLOCK_STATUS
	maxExports    = 10000    // that are listed
	requestSize   = 28
	optHeaderSize = 20 // of the reply to an option
)

// errnos are the errors of the protocol, by the numbers that Linux has for them.
var errnos = map[uint32]syscall.Errno{
	1: syscall.EPERM, 5: syscall.EIO, 12: syscall.ENOMEM, 22: syscall.EINVAL, 28: syscall.ENOSPC,
	75: syscall.EOVERFLOW, 95: syscall.EOPNOTSUPP, 108: syscall.ESHUTDOWN,
}

// errno returns the error of a number. One that is not known is an EINVAL, as the protocol
// says.
func errno(n uint32) syscall.Errno {
	if e, ok := errnos[n]; ok {
		return e
	}
	return syscall.EINVAL
}

// A request as it is sent, without the data of a write.
type header struct {
	flags, typ uint16
	cookie     uint64
	off        uint64
	length     uint32
}

func (h *header) append(b []byte) []byte {
	b = be.AppendUint32(b, magicRequest)
	b = be.AppendUint16(b, h.flags)
	b = be.AppendUint16(b, h.typ)
	b = be.AppendUint64(b, h.cookie)
	b = be.AppendUint64(b, h.off)
	return be.AppendUint32(b, h.length)
}

// parseRequest reads a request of requestSize bytes.
func parseRequest(b []byte) (header, error) {
	if m := be.Uint32(b); m != magicRequest {
		return header{}, violation("a request that begins with %#x", m)
	}
	return header{be.Uint16(b[4:]), be.Uint16(b[6:]), be.Uint64(b[8:]), be.Uint64(b[16:]), be.Uint32(b[24:])}, nil
}

// commands are the names of requests, for errors.
var commands = map[uint16]string{
	cmdRead: "read", cmdWrite: "write", cmdFlush: "flush", cmdTrim: "discard",
	cmdWriteZeroes: "write zeroes", cmdBlockStatus: "block status",
}

func command(typ uint16) string {
	if s, ok := commands[typ]; ok {
		return s
	}
	return fmt.Sprintf("command %d", typ)
}
