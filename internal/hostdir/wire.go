package hostdir

import "encoding/binary"

// The messages of 9P2000.L, as the kernel's include/net/9p/9p.h numbers them. The answer to
// each has the next number.
const (
	msgLerror      = 7
	msgStatfs      = 8
	msgLopen       = 12
	msgLcreate     = 14
	msgSymlink     = 16
	msgMknod       = 18
	msgRename      = 20
	msgReadlink    = 22
	msgGetattr     = 24
	msgSetattr     = 26
	msgXattrwalk   = 30
	msgXattrcreate = 32
	msgReaddir     = 40
	msgFsync       = 50
	msgLock        = 52
	msgGetlock     = 54
	msgLink        = 70
	msgMkdir       = 72
	msgRenameat    = 74
	msgUnlinkat    = 76
	msgVersion     = 100
	msgAttach      = 104
	msgFlush       = 108
	msgWalk        = 110
	msgRead        = 116
	msgWrite       = 118
	msgClunk       = 120
	msgRemove      = 122
)

const (
	headerSize = 7 // size[4] type[1] tag[2]

	// readHeader is what precedes the data of an answer to read or readdir.
	readHeader = headerSize + 4

	// noFid and noUID are what a client sends that has none.
	noFid = ^uint32(0)
	noUID = ^uint32(0)
)

// A decoder takes the fields of a message apart. From the first one that is not there it
// returns zeros.
type decoder struct {
	b   []byte
	bad bool // a field was not there
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.b, d.bad = nil, true
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u8() uint8 {
	if p := d.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if p := d.bytes(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if p := d.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if p := d.bytes(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (d *decoder) str() string { return string(d.bytes(int(d.u16()))) }

// An encoder makes an answer. Its fields begin after the header, which finish fills in.
type encoder struct{ b []byte }

func (e *encoder) reset()       { e.b = append(e.b[:0], make([]byte, headerSize)...) }
func (e *encoder) u8(v uint8)   { e.b = append(e.b, v) }
func (e *encoder) u16(v uint16) { e.b = binary.LittleEndian.AppendUint16(e.b, v) }
func (e *encoder) u32(v uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }

// str adds a string, which has at most 65535 bytes.
func (e *encoder) str(s string) {
	e.u16(uint16(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) qid(q qid) {
	e.u8(q.kind)
	e.u32(q.version)
	e.u64(q.path)
}

// room adds a count of 32 bits and returns n bytes after it, to be filled before filled is
// called. Nothing may be added in between.
func (e *encoder) room(n int) []byte {
	e.u32(0)
	at := len(e.b)
	if cap(e.b) < at+n {
		e.b = append(make([]byte, 0, at+n), e.b...)
	}
	return e.b[at : at+n]
}

// filled says how much of what room returned is used.
func (e *encoder) filled(n int) {
	binary.LittleEndian.PutUint32(e.b[len(e.b)-4:], uint32(n))
	e.b = e.b[:len(e.b)+n]
}

func (e *encoder) finish(kind uint8, tag uint16) []byte {
	binary.LittleEndian.PutUint32(e.b, uint32(len(e.b)))
	e.b[4] = kind
	binary.LittleEndian.PutUint16(e.b[5:], tag)
	return e.b
}
