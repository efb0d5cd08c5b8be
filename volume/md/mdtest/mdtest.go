// Package mdtest writes superblocks of Linux software RAID on blank files, for tests. mdadm(8)
// writes them only where the kernel has the driver; `mdadm --examine` reads those that this
// package writes, and the kernel assembles them and writes them again by itself.
package mdtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const magic = 0xa92b4efc

// A Spec describes an array.
type Spec struct {
	Version       string // "0.90", "1.0"… "1.2"
	Level, Layout int
	Chunk         int64 // in bytes
	Disks         int
	// Sizes are those of the files, in bytes; the last one counts for those that follow.
	Sizes  []int64
	Spares int // devices that fill no place, after the others
	Name   string
	Events uint64
	Dirty  bool
	// Missing are the places that the superblocks say have failed.
	Missing []int
	// Bitmap is the size of a chunk of a write-intent bitmap, in bytes, or 0.
	Bitmap    int
	BigEndian bool // of a 0.90
	Features  uint32
}

// dataOffset is where data begin on members with the superblock in front.
const dataOffset = 1 << 20

// Create writes the files of an array, and returns their paths.
func Create(t testing.TB, s Spec) []string {
	t.Helper()
	dir := t.TempDir()
	if s.Events == 0 {
		s.Events = 17
	}
	var paths []string
	for i := range s.Disks + s.Spares {
		path := filepath.Join(dir, fmt.Sprintf("disk%d.img", i))
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		size := s.Sizes[min(i, len(s.Sizes)-1)]
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		sb, off := s.Superblock(i, size)
		if _, err := f.WriteAt(sb, off); err != nil {
			t.Fatal(err)
		}
		if s.Bitmap != 0 {
			if _, err := f.WriteAt(s.bitmap(), off+4096); err != nil {
				t.Fatal(err)
			}
		}
		paths = append(paths, path)
	}
	return paths
}

// UUID is that of the array, which its name decides.
func (s Spec) UUID() [16]byte {
	sum := sha256.Sum256([]byte(s.Name))
	return [16]byte(sum[:16])
}

// Superblock returns the superblock of one member, and where it lies.
func (s Spec) Superblock(number int, size int64) ([]byte, int64) {
	if s.Version == "0.90" {
		return s.v0(number, size)
	}
	return s.v1(number, size)
}

// used is what each member gives, in bytes: the least that any has, in chunks of 64 KiB.
func (s Spec) used() int64 {
	least := s.given(s.Sizes[0])
	for _, size := range s.Sizes {
		least = min(least, s.given(size))
	}
	return least &^ (64<<10 - 1)
}

func (s Spec) given(size int64) int64 {
	switch s.Version {
	case "0.90":
		return size&^(64<<10-1) - 64<<10
	case "1.0":
		return (size/512-16)&^7*512 - 64<<10
	}
	return size - dataOffset
}

func (s Spec) failed(role int) bool {
	for _, m := range s.Missing {
		if m == role {
			return true
		}
	}
	return false
}

func (s Spec) v1(number int, size int64) ([]byte, int64) {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	u32 := func(at int, v uint32) { le.PutUint32(b[at:], v) }
	u64 := func(at int, v uint64) { le.PutUint64(b[at:], v) }
	off, data := int64(4096), int64(dataOffset)
	switch s.Version {
	case "1.0":
		off, data = (size/512-16)&^7*512, 0
	case "1.1":
		off = 0
	}
	u32(0, magic)
	u32(4, 1)
	u32(8, s.Features)
	id := s.UUID()
	copy(b[16:], id[:])
	copy(b[32:64], s.Name)
	u64(64, 1700000000)
	u32(72, uint32(s.Level))
	u32(76, uint32(s.Layout))
	if s.Level > 0 {
		u64(80, uint64(s.used()/512))
	}
	u32(88, uint32(s.Chunk/512))
	u32(92, uint32(s.Disks))
	u64(128, uint64(data/512))
	u64(136, uint64(s.given(size)/512))
	u64(144, uint64(off/512))
	u32(160, uint32(number))
	copy(b[168:184], fmt.Sprintf("device number %2d", number))
	u64(192, 1700000001)
	u64(200, s.Events)
	if !s.Dirty {
		u64(208, ^uint64(0))
	}
	if s.Bitmap != 0 {
		u32(8, s.Features|1)
		u32(96, 8)
	}
	const roles = 128
	u32(220, roles)
	for i := range roles {
		role := uint16(0xffff)
		if i < s.Disks {
			role = uint16(i)
			if s.failed(i) {
				role = 0xfffe
			}
		}
		le.PutUint16(b[256+2*i:], role)
	}
	Sum1(b)
	return b, off
}

// Sum1 sets the checksum of a superblock of version 1.
func Sum1(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[216:], 0)
	var sum uint64
	for i := 0; i < 256+2*int(le.Uint32(b[220:])); i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
}

func (s Spec) v0(number int, size int64) ([]byte, int64) {
	b := make([]byte, 4096)
	var order binary.ByteOrder = binary.LittleEndian
	high, low := 40, 39
	if s.BigEndian {
		order = binary.BigEndian
		high, low = 39, 40
	}
	word := func(i int, v uint32) { order.PutUint32(b[4*i:], v) }
	id := s.UUID()
	for i, w := range []int{5, 13, 14, 15} {
		word(w, binary.BigEndian.Uint32(id[4*i:]))
	}
	for i, v := range []uint32{magic, 0, 90, 0, 992} {
		word(i, v)
	}
	word(6, 1700000000)
	word(7, uint32(s.Level))
	if s.Level > 0 {
		word(8, uint32(s.used()>>10))
	}
	word(9, uint32(s.Disks+s.Spares))
	word(10, uint32(s.Disks))
	word(11, 5)
	word(32, 1700000001)
	if !s.Dirty {
		word(33, 1)
	}
	word(34, uint32(s.Disks-len(s.Missing)))
	word(35, uint32(s.Disks+s.Spares-len(s.Missing)))
	word(36, uint32(len(s.Missing)))
	word(37, uint32(s.Spares))
	word(high, uint32(s.Events>>32))
	word(low, uint32(s.Events))
	word(64, uint32(s.Layout))
	word(65, uint32(s.Chunk))
	for i := range s.Disks + s.Spares {
		state := uint32(1<<1 | 1<<2)
		switch {
		case i >= s.Disks:
			state = 0
		case s.failed(i):
			state = 1
		}
		for j, v := range []uint32{uint32(i), 8, uint32(16 * i), uint32(i), state} {
			word(128+32*i+j, v)
			if i == number {
				word(992+j, v)
			}
		}
	}
	var sum uint64
	for i := range 1024 {
		sum += uint64(order.Uint32(b[4*i:]))
	}
	word(38, uint32(sum)+uint32(sum>>32))
	return b, size&^(64<<10-1) - 64<<10
}

// bitmap is the superblock of a write-intent bitmap without a set bit; the rest is zero.
func (s Spec) bitmap() []byte {
	b := make([]byte, 256)
	le := binary.LittleEndian
	copy(b, "bitm")
	le.PutUint32(b[4:], 4)
	id := s.UUID()
	copy(b[8:], id[:])
	le.PutUint64(b[24:], s.Events)
	le.PutUint64(b[32:], s.Events)
	le.PutUint64(b[40:], uint64(s.used()/512))
	le.PutUint32(b[52:], uint32(s.Bitmap))
	le.PutUint32(b[56:], 5)
	return b
}
