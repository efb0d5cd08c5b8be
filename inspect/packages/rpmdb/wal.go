package rpmdb

import (
	"encoding/binary"
	"io"
)

// The write-ahead log of SQLite is a header and frames: each one has a page, and the
// last of a transaction says so. A frame is valid if it has the header's salts and its
// checksum, which goes on from the one before. See section 4 of
// https://www.sqlite.org/fileformat2.html.
const (
	walMagic = 0x377f0682 // with checksums of little-endian words; +1 for big
	walHead  = 32
	walFrame = 24
	maxLog   = 1 << 30 // bytes
)

// openLog finds the newest committed copy of each page. A log that is empty, or left
// over from before, has none.
func (s *sqliteFile) openLog(r io.ReaderAt, size int64) error {
	if size < walHead || size > maxLog {
		return nil
	}
	w := newCache(r, size)
	head := make([]byte, walHead)
	if err := w.read(head, 0); err != nil {
		return err
	}
	be := binary.BigEndian
	magic := be.Uint32(head)
	if magic&^1 != walMagic || int64(be.Uint32(head[8:])) != s.page {
		return nil
	}
	sum := walSum{order: binary.LittleEndian}
	if magic&1 != 0 {
		sum.order = be
	}
	if sum.add(head[:24]); !sum.is(head[24:]) {
		return nil
	}
	pending, committed := map[int64]int64{}, map[int64]int64{}
	frame := make([]byte, walFrame+s.page)
	for off := int64(walHead); off+int64(len(frame)) <= size; off += int64(len(frame)) {
		if err := w.read(frame, off); err != nil {
			return err
		}
		if string(frame[8:16]) != string(head[16:24]) {
			break
		}
		sum.add(frame[:8])
		if sum.add(frame[walFrame:]); !sum.is(frame[16:]) {
			break
		}
		pending[int64(be.Uint32(frame))] = off + walFrame
		if pages := be.Uint32(frame[4:]); pages != 0 {
			for n, at := range pending {
				committed[n] = at
			}
			clear(pending)
			s.pages = min(s.size/s.page, int64(pages))
		}
	}
	s.log, s.wal = committed, w
	return nil
}

// walSum is the checksum of a log.
type walSum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (s *walSum) add(p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		s.a += s.order.Uint32(p) + s.b
		s.b += s.order.Uint32(p[4:]) + s.a
	}
}

func (s *walSum) is(p []byte) bool {
	return binary.BigEndian.Uint32(p) == s.a && binary.BigEndian.Uint32(p[4:]) == s.b
}
