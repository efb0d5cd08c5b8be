package md

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

const (
	super1Len  = 4096
	super1Head = 256                          // without the table of roles
	maxRoles   = (super1Len - super1Head) / 2 // in the table
	maxDisks   = 0xff00                       // beyond are roles that are no places

	role1Spare   = 0xffff
	role1Faulty  = 0xfffe
	role1Journal = 0xfffd
)

// super1Offset is where a superblock of version 1.minor lies.
func super1Offset(size int64, minor int) int64 {
	switch minor {
	case 0:
		return (size/512 - 16) &^ 7 * 512
	case 1:
		return 0
	}
	return 4096
}

// sectors converts a count of sectors to bytes. What cannot be a size is as large as can be,
// and fails where it is compared with the device's.
func sectors(n uint64) int64 {
	if n > math.MaxInt64/512 {
		return math.MaxInt64
	}
	return int64(n) * 512
}

// read1 reads a superblock of version 1.minor, which is little-endian.
func read1(r io.ReaderAt, size int64, minor int) (*Superblock, error) {
	off := super1Offset(size, minor)
	b, err := readAt(r, size, off, super1Len)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	u32 := func(at int) uint32 { return le.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return le.Uint64(b[at:]) }
	signed := func(at int) int64 { return int64(int32(u32(at))) * 512 }
	seconds := func(at int) time.Time { return time.Unix(int64(u64(at)&(1<<40-1)), 0) }
	if u32(0) != magic || u32(4) != 1 || sectors(u64(144)) != off {
		return nil, errNone
	}
	roles := u32(220)
	if roles > maxRoles {
		return nil, fmt.Errorf("a table of %d roles is too long", roles)
	}
	if checksum1(b[:super1Head+2*roles]) != u32(216) {
		return nil, errChecksum
	}
	sb := &Superblock{
		Major: 1, Minor: minor, Offset: off, Checksum: u32(216), UUID: UUID(b[16:32]),
		Name: name(b[32:64]), Created: seconds(64), Updated: seconds(192),
		Level: int(int32(u32(72))), Layout: int(int32(u32(76))), Chunk: int64(u32(88)) * 512,
		RaidDisks: int(u32(92)), Size: sectors(u64(80)), Features: u32(8), PreferredMinor: -1,
		DataOffset: sectors(u64(128)), DataSize: sectors(u64(136)),
		Number: int(int32(u32(160))), Device: UUID(b[168:184]),
		WriteMostly: b[184]&1 != 0, FailFast: b[184]&2 != 0,
		RecoveryOffset: -1, Events: u64(200), ResyncOffset: -1,
	}
	if sb.RaidDisks <= 0 || sb.RaidDisks > maxRoles {
		return nil, fmt.Errorf("%d devices are not possible", u32(92))
	}
	if n := u64(208); n != math.MaxUint64 {
		sb.ResyncOffset = sectors(n)
	}
	for i := range int(roles) {
		sb.Roles = append(sb.Roles, role1(le.Uint16(b[super1Head+2*i:])))
	}
	if sb.has(FeatureBitmap) {
		sb.BitmapOffset = signed(96)
	}
	if sb.has(FeatureRecoveryOffset) {
		sb.RecoveryOffset = sectors(u64(152))
	}
	sb.Replacement = sb.has(FeatureReplacement)
	if sb.has(FeatureReshape) {
		err := sb.setReshape(sectors(u64(104)), int(int32(u32(112))), int(int32(u32(100))), int(int32(u32(116))), int64(u32(120))*512)
		if err != nil {
			return nil, err
		}
		sb.Reshape.Backwards = sb.Reshape.Backwards || sb.has(FeatureReshapeBackwards)
		if sb.has(FeatureNewOffset) {
			sb.Reshape.NewDataOffset += signed(124)
		}
	}
	if sb.has(FeatureBadBlocks) {
		sb.BadBlocks, err = badBlocks(r, size, off+signed(188), int64(le.Uint16(b[186:]))*512, b[185])
		if err != nil {
			return nil, fmt.Errorf("the log of bad blocks: %w", err)
		}
	}
	return sb, sb.check1(b)
}

// has reports whether the superblock has a feature.
func (sb *Superblock) has(feature uint32) bool { return sb.Features&feature != 0 }

// check1 reports what the kernel would refuse the superblock for.
func (sb *Superblock) check1(b []byte) error {
	switch unknown := sb.Features &^ featuresKnown; {
	case unknown != 0:
		return fmt.Errorf("it has features that are not known (0x%x)", unknown)
	case len(bytes.Trim(b[12:16], "\x00"))+len(bytes.Trim(b[224:256], "\x00")) > 0:
		return errors.New("what is reserved in it is not zero, as if it had features that are not known")
	case sb.has(FeatureRAID0Layout) && sb.Level != 0:
		return fmt.Errorf("a layout of RAID0 with level %s", LevelName(sb.Level))
	case sb.has(FeaturePPL|FeatureMultiplePPLs) && sb.has(FeatureBitmap|FeatureJournal):
		return errors.New("a partial parity log together with a bitmap or a journal")
	case sb.has(FeatureClustered):
		return errors.New("the array belongs to a cluster")
	}
	return nil
}

// role1 is what a number in the table of roles means.
func role1(n uint16) int {
	switch {
	case n == role1Spare:
		return RoleSpare
	case n == role1Journal:
		return RoleJournal
	case n > maxDisks:
		return RoleFaulty
	}
	return int(n)
}

// checksum1 is the sum of all words but that of the sum itself.
func checksum1(b []byte) uint32 {
	var sum uint64
	for i := 0; i+4 <= len(b); i += 4 {
		if i != 216 {
			sum += uint64(binary.LittleEndian.Uint32(b[i:]))
		}
	}
	if len(b)%4 == 2 {
		sum += uint64(binary.LittleEndian.Uint16(b[len(b)-2:]))
	}
	return uint32(sum) + uint32(sum>>32)
}

// name is the text of a field that zeros fill up.
func name(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(bytes.ToValidUTF8(text, []byte("?")))
}

// badBlocks reads the log of bad blocks: 54 bits of a place and 10 of a length in each
// entry, in units of 2^shift sectors. The kernel reads a page of it at most.
func badBlocks(r io.ReaderAt, size, off, n int64, shift uint8) ([]Range, error) {
	if n > 4096 || shift > 40 {
		return nil, errors.New("it is too long")
	}
	b, err := readAt(r, size, off, int(n))
	if err != nil {
		return nil, err
	}
	var list []Range
	for ; len(b) >= 8; b = b[8:] {
		e := binary.LittleEndian.Uint64(b)
		if e == math.MaxUint64 {
			break
		}
		if e>>10 > math.MaxInt64>>shift/512 {
			return nil, errors.New("an entry is beyond all devices")
		}
		list = append(list, Range{sectors(e >> 10 << shift), sectors(e & 0x3ff << shift)})
	}
	return list, nil
}
