package md

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

const (
	magic     = 0xa92b4efc
	super0Len = 4096
	reserved0 = 64 << 10 // what the superblock of version 0.90 has for itself
	disks0    = 27       // the members that it can name
)

// States of a disk in a 0.90, and of the array.
const (
	disk0Faulty      = 1 << 0
	disk0Active      = 1 << 1
	disk0Sync        = 1 << 2
	disk0WriteMostly = 1 << 9
	disk0FailFast    = 1 << 10

	state0Clean  = 1 << 0
	state0Bitmap = 1 << 8
)

// read0 reads a superblock of version 0.90. It is made of words in the byte order of the
// machine that wrote it, and lies in the last whole 64 KiB but the rest of the device.
func read0(r io.ReaderAt, size int64) (*Superblock, error) {
	off := size&^(reserved0-1) - reserved0
	b, err := readAt(r, size, off, super0Len)
	if err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(b) == magic {
		order = binary.BigEndian
	}
	word := func(i int) uint32 { return order.Uint32(b[4*i:]) }
	pair := func(low, high int) uint64 { return uint64(word(high))<<32 | uint64(word(low)) }
	// The halves of 64 bits are in the order of the machine, but for those that md_p.h
	// declares as such.
	event := func(i int) uint64 {
		if order == binary.BigEndian {
			return pair(i+1, i)
		}
		return pair(i, i+1)
	}
	if word(0) != magic || word(1) != 0 {
		return nil, errNone
	}
	if minor := word(2); minor < 90 || minor > 91 {
		return nil, fmt.Errorf("version 0.%d is not known", minor)
	}
	if !checksum0(b, word) {
		return nil, errChecksum
	}
	sb := &Superblock{
		Minor: int(word(2)), BigEndian: order == binary.BigEndian, Offset: off, Checksum: word(38),
		Created: time.Unix(int64(word(6)), 0), Updated: time.Unix(int64(word(32)), 0),
		Level: int(int32(word(7))), Layout: int(int32(word(64))), Chunk: int64(word(65)),
		RaidDisks: int(int32(word(10))), Size: int64(word(8)) << 10, PreferredMinor: int(int32(word(11))),
		DataSize: off, Number: int(int32(word(992))), RecoveryOffset: -1,
		Events: event(39), ResyncOffset: -1,
	}
	for i, w := range []int{5, 13, 14, 15} {
		binary.BigEndian.PutUint32(sb.UUID[4*i:], word(w))
	}
	if sb.RaidDisks <= 0 || sb.RaidDisks > disks0 {
		return nil, fmt.Errorf("%d devices are not possible", sb.RaidDisks)
	}
	if state := word(33); state&state0Clean == 0 {
		sb.ResyncOffset = 0
		if event(39) == event(41) {
			sb.ResyncOffset = int64(word(43)) * 512
		}
	}
	if word(33)&state0Bitmap != 0 {
		sb.BitmapOffset = super0Len
	}
	sb.disks0(word)
	if sb.Minor == 91 {
		position := int64(event(44))
		if err := sb.setReshape(position, int(int32(word(47))), int(int32(word(46))), int(int32(word(48))), int64(word(49))); err != nil {
			return nil, err
		}
	}
	// A 0.90 counts KiB in 32 bits, in which the kernel takes half of what would fit.
	if sb.Level >= 1 {
		sb.DataSize = min(sb.DataSize, 1<<42-1024)
	}
	return sb, nil
}

// disks0 reads the table of devices. The descriptor of the member itself is not used: the
// kernel believes the table.
func (sb *Superblock) disks0(word func(int) uint32) {
	const first, words = 128, 32
	sb.Roles = make([]int, disks0)
	for i := range sb.Roles {
		at := first + i*words
		role, state := int(int32(word(at+3))), word(at+4)
		switch {
		case state&disk0Faulty != 0:
			role = RoleFaulty
		case role < 0 || role >= sb.RaidDisks || state&disk0Sync == 0 && !(sb.Minor == 91 && state&disk0Active != 0):
			role = RoleSpare
		}
		sb.Roles[i] = role
		if i == sb.Number {
			sb.WriteMostly = state&disk0WriteMostly != 0
			sb.FailFast = state&disk0FailFast != 0
			if role >= 0 && state&disk0Sync == 0 {
				sb.RecoveryOffset = 0
			}
		}
	}
}

// checksum0 checks the sum of all words but that of the sum itself. Some architectures fold
// it to 16 bits, so that is what the kernel compares.
func checksum0(b []byte, word func(int) uint32) bool {
	fold := func(sum uint32) uint32 {
		sum = sum&0xffff + sum>>16
		return sum&0xffff + sum>>16
	}
	var sum uint64
	for i := range len(b) / 4 {
		if i != 38 {
			sum += uint64(word(i))
		}
	}
	return fold(uint32(sum)+uint32(sum>>32)) == fold(word(38))
}

// setReshape fills Reshape. RaidDisks is the larger number of devices from now on.
func (sb *Superblock) setReshape(position int64, delta, level, layout int, chunk int64) error {
	if old := sb.RaidDisks - delta; old <= 0 || old > maxRoles {
		return fmt.Errorf("a reshape from %d to %d devices is not possible", old, sb.RaidDisks)
	}
	sb.Reshape = &Reshape{
		Position: position, DeltaDisks: delta, NewLevel: level, NewLayout: layout, NewChunk: chunk,
		Backwards: delta < 0, NewDataOffset: sb.DataOffset,
		OldDisks: sb.RaidDisks - delta, TotalDisks: sb.RaidDisks + max(0, -delta),
	}
	return nil
}
