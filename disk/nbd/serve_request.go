package nbd

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/unboot/unboot/disk"
)

const (
	// maxBusy is how many bytes the requests of a client take that are under way.
	maxBusy = 2 * maxPayload
	// busyUnit is what these are counted in.
	busyUnit = 64 << 10
	// sendTime is how long a client may not take the answer that it has asked for.
	sendTime = 5 * time.Minute
)

// A transmission serves the requests of one client.
type transmission struct {
	*host
	share  *Share
	export Export

	sendMu  sync.Mutex // one answer, or chunk of one, at a time
	busyMu  sync.Mutex
	room    *sync.Cond
	busy    int // guarded by busyMu: units that are taken
	waiting sync.WaitGroup
}

func newTransmission(h *host, s *Share) *transmission {
	t := &transmission{host: h, share: s, export: s.export()}
	t.room = sync.NewCond(&t.busyMu)
	return t
}

// serve reads requests until the client ends it.
func (t *transmission) serve(ctx context.Context) error {
	defer t.waiting.Wait()
	for {
		var b [requestSize]byte
		if _, err := io.ReadFull(t.r, b[:]); err == io.EOF {
			return nil // not nice, but usual
		} else if err != nil {
			return err
		}
		h, err := parseRequest(b[:])
		if err != nil {
			return err
		}
		if h.typ == cmdDisconnect {
			return nil
		}
		var data []byte
		units := 1
		if h.typ == cmdRead || h.typ == cmdWrite {
			// The data of a write that is too long cannot be skipped for ever.
			if h.typ == cmdWrite && h.length > maxPayload {
				return violation("a write of %d bytes", h.length)
			}
			units += int(min(h.length, maxPayload)) / busyUnit
		}
		t.take(units)
		if h.typ == cmdWrite {
			data = make([]byte, h.length)
			if _, err := io.ReadFull(t.r, data); err != nil {
				t.give(units)
				return ended(err)
			}
		}
		t.waiting.Go(func() {
			defer t.give(units)
			if err := t.answer(&h, data); err != nil {
				t.Close() // which ends the loop
			}
		})
	}
}

// take waits until so many units are free. All are more than a request takes.
func (t *transmission) take(units int) {
	t.busyMu.Lock()
	defer t.busyMu.Unlock()
	for t.busy > 0 && t.busy+units > maxBusy/busyUnit {
		t.room.Wait()
	}
	t.busy += units
}

func (t *transmission) give(units int) {
	t.busyMu.Lock()
	defer t.busyMu.Unlock()
	t.busy -= units
	t.room.Broadcast()
}

// answer does what a request asks for, and sends the answer. The error is that of sending.
func (t *transmission) answer(h *header, data []byte) error {
	body, err := t.do(h, data)
	if !t.structured || h.typ != cmdRead && h.typ != cmdBlockStatus {
		b := be.AppendUint32(make([]byte, 0, 16), magicSimple)
		b = be.AppendUint32(b, number(err))
		b = be.AppendUint64(b, h.cookie)
		if err != nil {
			body = nil
		}
		return t.send(b, body)
	}
	typ := uint16(chunkStatus)
	var prefix []byte
	switch {
	case err != nil:
		typ, prefix, body = chunkError, be.AppendUint32(nil, number(err)), nil
		words := text([]byte(err.Error()))
		prefix = be.AppendUint16(prefix, uint16(len(words)))
		prefix = append(prefix, words...)
	case h.typ == cmdRead && h.length == 0:
		typ = chunkNone
	case h.typ == cmdRead:
		typ, prefix = chunkData, be.AppendUint64(nil, h.off)
	default:
		prefix = be.AppendUint32(nil, contextID)
	}
	b := be.AppendUint32(make([]byte, 0, 64), magicStructured)
	b = be.AppendUint16(b, chunkDone)
	b = be.AppendUint16(b, typ)
	b = be.AppendUint64(b, h.cookie)
	b = be.AppendUint32(b, uint32(len(prefix)+len(body)))
	return t.send(append(b, prefix...), body)
}

func (t *transmission) send(head, body []byte) error {
	bufs := net.Buffers{head}
	if len(body) > 0 {
		bufs = append(bufs, body)
	}
	t.sendMu.Lock()
	defer t.sendMu.Unlock()
	t.SetWriteDeadline(time.Now().Add(sendTime))
	_, err := bufs.WriteTo(t.Conn)
	return err
}

// number returns the number of an error in the protocol.
func number(err error) uint32 {
	if err == nil {
		return 0
	}
	for n, e := range errnos {
		if errors.Is(err, e) {
			return n
		}
	}
	if errors.Is(err, syscall.EROFS) {
		return 1 // EPERM
	}
	if errors.Is(err, syscall.EDQUOT) {
		return 28 // ENOSPC
	}
	return 5 // EIO
}

// do does what a request asks for.
func (t *transmission) do(h *header, data []byte) ([]byte, error) {
	if err := t.check(h); err != nil {
		return nil, err
	}
	d, off, n := t.share.Device, int64(h.off), int64(h.length)
	var body []byte
	var err error
	switch h.typ {
	case cmdRead:
		body = make([]byte, n)
		var got int
		if got, err = d.ReadAt(body, off); got == len(body) {
			err = nil
		} else if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	case cmdWrite:
		_, err = d.WriteAt(data, off)
	case cmdFlush:
		if t.share.Writable {
			err = d.Flush()
		}
	case cmdTrim:
		if c, ok := disk.As[disk.Discarder](d); ok {
			err = c.Discard(off, n)
		}
		if errors.Is(err, syscall.EOPNOTSUPP) {
			err = nil // what is there may stay
		}
	case cmdWriteZeroes:
		err = zero(d, off, n)
	case cmdBlockStatus:
		body, err = states(d, h)
	}
	if err == nil && h.flags&cmdFlagFUA != 0 && t.share.Writable {
		err = d.Flush()
	}
	return body, err
}

// check returns an error for a request that is not one for this export.
func (t *transmission) check(h *header) error {
	size, unit := uint64(t.export.Size), uint64(t.export.MinBlock)
	n := uint64(h.length)
	switch h.typ {
	case cmdFlush:
		if h.off != 0 || n != 0 {
			return syscall.EINVAL
		}
		return nil
	case cmdRead:
		if n > maxPayload {
			return syscall.EOVERFLOW
		}
	case cmdWrite, cmdTrim, cmdWriteZeroes:
		if !t.share.Writable {
			return syscall.EPERM
		}
	case cmdBlockStatus:
		if !t.status || n == 0 {
			return syscall.EINVAL
		}
	default:
		return syscall.EINVAL
	}
	if h.off > size || n > size-h.off {
		if h.typ == cmdWrite || h.typ == cmdWriteZeroes {
			return syscall.ENOSPC
		}
		return syscall.EINVAL
	}
	if h.off%unit != 0 || n%unit != 0 {
		return syscall.EINVAL
	}
	return nil
}

// zero zeroes a range, by writing if there is no better way.
func zero(d disk.Device, off, n int64) error {
	if z, ok := disk.As[disk.ZeroWriter](d); ok {
		if err := z.WriteZeroes(off, n); !errors.Is(err, syscall.EOPNOTSUPP) {
			return err
		}
	}
	b := make([]byte, min(n, piece))
	for ; n > 0; n, off = n-int64(len(b)), off+int64(len(b)) {
		b = b[:min(n, int64(len(b)))]
		if _, err := d.WriteAt(b, off); err != nil {
			return err
		}
	}
	return nil
}
