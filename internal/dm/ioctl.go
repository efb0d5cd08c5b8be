package dm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// Flags of struct dm_ioctl.
const (
	flagReadOnly    = 1 << 0
	flagStatusTable = 1 << 4
	flagBufferFull  = 1 << 8
	flagSecureData  = 1 << 15 // the kernel wipes its copies
)

// Sizes in bytes of struct dm_ioctl, struct dm_target_spec and struct dm_target_msg without
// its text, and the room for an answer.
const (
	sizeHeader  = 312
	sizeSpec    = 40
	sizeMessage = 8
	maxName     = 127
	maxUUID     = 128
	maxAnswer   = 256 << 10
)

// A request is what goes into an ioctl, and what comes out.
type request struct {
	name, uuid string
	flags      uint32
	count      uint32 // of targets
	dev        uint64
	data       []byte
	room       int // for the answer's data
}

func (c *Control) do(cmd int, r *request) error {
	if len(r.name) > maxName || len(r.uuid) > maxUUID {
		return fmt.Errorf("device mapper: %q: %w", r.name, unix.ENAMETOOLONG)
	}
	b := make([]byte, sizeHeader+max(len(r.data), r.room))
	defer clear(b)
	le := binary.LittleEndian
	le.PutUint32(b[0:], 4) // version
	le.PutUint32(b[12:], uint32(len(b)))
	le.PutUint32(b[16:], sizeHeader)
	le.PutUint32(b[20:], r.count)
	le.PutUint32(b[28:], r.flags)
	copy(b[48:], r.name)
	copy(b[176:], r.uuid)
	copy(b[sizeHeader:], r.data)
	if _, err := c.k.IoctlSecret(c.fd, uint(0xc138fd00|cmd), b); err != nil {
		return fmt.Errorf("device mapper: %s: %s: %w", r.name, cmdNames[cmd], err)
	}
	r.flags, r.count, r.dev = le.Uint32(b[28:]), le.Uint32(b[20:]), le.Uint64(b[40:])
	r.data = nil
	// Where there is nothing to say, the size is less than where data would start.
	if start, end := le.Uint32(b[16:]), le.Uint32(b[12:]); start < end && end <= uint32(len(b)) {
		r.data = bytes.Clone(b[start:end])
	}
	if r.flags&flagBufferFull != 0 {
		return fmt.Errorf("device mapper: %s: %s: %w", r.name, cmdNames[cmd], unix.ENOBUFS)
	}
	return nil
}

// encode returns a table as structs dm_target_spec, each followed by its parameters. The
// caller wipes what is returned, also with an error.
func encode(table []volume.Target, number func(volume.Base) string) ([]byte, error) {
	room := 0
	for _, t := range table {
		room += sizeSpec + len(t.Params) + 2*len(t.Key) + 32*len(t.Devices) + 8
	}
	data := make([]byte, 0, room) // once, so that no copy with a key stays behind
	for _, t := range table {
		at := len(data)
		data = append(data, make([]byte, sizeSpec)...)
		data = append(t.AppendParams(data, number), 0)
		for len(data)%8 != 0 {
			data = append(data, 0)
		}
		if t.Start < 0 || t.Length <= 0 || len(t.Type) > 15 {
			return data, fmt.Errorf("device mapper: target %q: %w", t.Type, unix.EINVAL)
		}
		b := data[at:]
		binary.LittleEndian.PutUint64(b, uint64(t.Start))
		binary.LittleEndian.PutUint64(b[8:], uint64(t.Length))
		binary.LittleEndian.PutUint32(b[20:], uint32(len(b)))
		copy(b[24:39], t.Type)
	}
	return data, nil
}

// lines reads the lines of a table or a status.
func (r *request) lines() ([]string, error) {
	var list []string
	off := 0
	for range r.count {
		if off < 0 || off+sizeSpec > len(r.data) {
			return nil, errors.New("device mapper: an answer that cannot be read")
		}
		b := r.data[off:]
		le := binary.LittleEndian
		kind, _, _ := bytes.Cut(b[24:sizeSpec], []byte{0})
		params, _, _ := bytes.Cut(b[sizeSpec:], []byte{0})
		line := fmt.Sprint(le.Uint64(b), " ", le.Uint64(b[8:]), " ", string(kind))
		if len(params) > 0 {
			line += " " + string(params)
		}
		list = append(list, line)
		off = int(le.Uint32(b[20:]))
	}
	return list, nil
}

// message returns a struct dm_target_msg.
func message(sector uint64, text string) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, sizeMessage+len(text)+1), sector)
	return append(append(b, text...), 0)
}
