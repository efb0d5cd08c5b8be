package xfs

import "encoding/binary"

// SuperblockSize is how much of the start of a device [ParseSuperblock] needs, in bytes.
const SuperblockSize = 512

// ParseSuperblock reads the geometry from a superblock, a struct xfs_dsb. It reports false
// if it is none.
func ParseSuperblock(sb []byte) (*Geometry, bool) {
	if len(sb) < SuperblockSize {
		return nil, false
	}
	be := binary.BigEndian
	version := be.Uint16(sb[100:])
	g := &Geometry{
		BlockSize: be.Uint32(sb[4:]), DataBlocks: be.Uint64(sb[8:]), RTBlocks: be.Uint64(sb[16:]),
		RTExtents: be.Uint64(sb[24:]), LogStart: be.Uint64(sb[48:]), RTExtentSize: be.Uint32(sb[80:]),
		AGBlocks: be.Uint32(sb[84:]), AGCount: be.Uint32(sb[88:]), LogBlocks: be.Uint32(sb[96:]),
		SectorSize: uint32(be.Uint16(sb[102:])), InodeSize: uint32(be.Uint16(sb[104:])), MaxPercent: uint32(sb[127]),
		Unit: be.Uint32(sb[184:]), Width: be.Uint32(sb[188:]),
		LogSectorSize: uint32(be.Uint16(sb[194:])), LogUnit: be.Uint32(sb[196:]),
	}
	if string(sb[:4]) != "XFSB" || g.BlockSize < 512 || g.BlockSize > 1<<16 || sb[192] > 8 {
		return nil, false
	}
	g.DirBlockSize = g.BlockSize << sb[192]
	features2 := be.Uint32(sb[200:])
	for _, f := range []struct {
		has  bool
		flag Flags
	}{
		{version&0xf == 5, V5Superblocks | Attr2 | DirV2 | LazyCounters | LogV2},
		{features2&0x8 != 0, Attr2},
		{version&0x2000 != 0, DirV2},
		{version&0x4000 != 0, DirCI},
		{features2&0x2 != 0, LazyCounters},
		{version&0x0400 != 0, LogV2},
	} {
		if f.has {
			g.Flags |= f.flag
		}
	}
	if g.LogSectorSize == 0 {
		g.LogSectorSize = 512
	}
	return g, true
}
