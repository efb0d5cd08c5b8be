package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	headSize = 68 << 10  // includes btrfs's superblock, at 64 KiB
	tailSize = 132 << 10 // holds md 0.90 and 1.0, nilfs2's second superblock, firmware's RAID

	maxReads = 256     // in one Probe; the worst honest case, a long FAT directory, has some 70
	maxRead  = 1 << 20 // bytes in one read
)

// source reads a device through a few windows.
type source struct {
	r     io.ReaderAt
	size  int64
	head  block // the first headSize bytes
	tail  block // the last tailSize bytes, read at first use
	reads int
	err   error // the first error of r

	windows *windows
}

// windows is the memory of head and tail. It is used again: in a program that
// looks at many devices, its collection would cost more than the reads. Nothing
// of it may be in an [Info], but strings, which are copies.
type windows struct {
	head [headSize]byte
	tail [tailSize]byte
}

var pool = sync.Pool{New: func() any { return new(windows) }}

func newSource(r io.ReaderAt, size int64) *source {
	return &source{r: r, size: size, windows: pool.Get().(*windows)}
}

// release gives the memory back. No block may be used any more.
func (s *source) release() { pool.Put(s.windows) }

// readHead reads the window that most superblocks are in.
func (s *source) readHead() error {
	s.head = s.read(s.windows.head[:max(0, min(s.size, headSize))], 0)
	return s.err
}

// read fills buf. A device that ends early gives fewer bytes.
func (s *source) read(buf block, off int64) block {
	n := len(buf)
	if s.reads >= maxReads || n == 0 {
		return nil
	}
	s.reads++
	got, err := s.r.ReadAt(buf, off)
	if err != nil && !errors.Is(err, io.EOF) {
		if s.err == nil {
			s.err = fmt.Errorf("read %d bytes at %d: %w", n, off, err)
		}
		// A superblock that lies before a bad sector is as good as any.
	}
	return buf[:max(0, min(got, n))]
}

// at returns n bytes at off, or nil if they are not there: past the end, unreadable, or
// too many.
func (s *source) at(off int64, n int) block {
	if off < 0 || n <= 0 || n > maxRead || off > s.size-int64(n) {
		return nil
	}
	if off+int64(n) <= headSize {
		return s.head.sub(int(off), n)
	}
	if start := s.size - tailSize; off >= start && start >= headSize {
		if s.tail == nil {
			s.tail = s.read(s.windows.tail[:], start)
		}
		return s.tail.sub(int(off-start), n)
	}
	b := s.read(make(block, n), off)
	if len(b) < n {
		return nil
	}
	return b
}

// has reports whether there is magic at off in the head of the device.
func (s *source) has(off int, magic string) bool {
	return string(s.head.sub(off, len(magic))) == magic
}

// block is a piece of a device. Its methods read numbers; what lies beyond its
// end is zero, so that a short device needs no checks.
type block []byte

// sub returns n bytes at off, or nil.
func (b block) sub(off, n int) block {
	if off < 0 || n < 0 || off > len(b)-n {
		return nil
	}
	return b[off : off+n]
}

func (b block) u8(off int) uint8 {
	if off < 0 || off >= len(b) {
		return 0
	}
	return b[off]
}

func (b block) number(off, n int, order binary.ByteOrder) uint64 {
	p := b.sub(off, n)
	switch {
	case p == nil:
		return 0
	case n == 2:
		return uint64(order.Uint16(p))
	case n == 4:
		return uint64(order.Uint32(p))
	}
	return order.Uint64(p)
}

func (b block) le16(off int) uint16 { return uint16(b.number(off, 2, binary.LittleEndian)) }
func (b block) le32(off int) uint32 { return uint32(b.number(off, 4, binary.LittleEndian)) }
func (b block) le64(off int) uint64 { return b.number(off, 8, binary.LittleEndian) }
func (b block) be16(off int) uint16 { return uint16(b.number(off, 2, binary.BigEndian)) }
func (b block) be32(off int) uint32 { return uint32(b.number(off, 4, binary.BigEndian)) }
func (b block) be64(off int) uint64 { return b.number(off, 8, binary.BigEndian) }

func (b block) has(off int, magic string) bool {
	return string(b.sub(off, len(magic))) == magic
}

func (b block) zero() bool { return len(bytes.Trim(b, "\x00")) == 0 }
