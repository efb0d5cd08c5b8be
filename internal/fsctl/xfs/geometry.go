package xfs

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// A Geometry is what xfs_info(8) prints. Sizes are in blocks of the file system unless they
// say bytes.
type Geometry struct {
	BlockSize, SectorSize, InodeSize uint32 // bytes
	AGBlocks, AGCount                uint32
	MaxPercent                       uint32 // of the space, for inodes

	DataBlocks          uint64
	Unit, Width         uint32 // of stripes
	RTBlocks, RTExtents uint64
	RTExtentSize        uint32

	LogStart               uint64 // 0 if the log is on another device
	LogBlocks              uint32
	LogSectorSize, LogUnit uint32 // bytes

	DirBlockSize uint32 // bytes
	Flags        Flags
}

// Flags are features of an XFS: XFS_FSOP_GEOM_FLAGS_ATTR2 and others.
type Flags uint32

// Features that xfs_info(8) prints.
const (
	DirV2         Flags = 0x80
	LogV2         Flags = 0x100
	Attr2         Flags = 0x400
	DirCI         Flags = 0x1000 // names have no case
	LazyCounters  Flags = 0x4000
	V5Superblocks Flags = 0x8000
)

// Has reports whether there is a feature.
func (g *Geometry) Has(f Flags) bool { return g.Flags&f != 0 }

// Geometry asks the kernel (XFS_IOC_FSGEOMETRY_V4). The error is EUCLEAN if the answer
// makes no sense.
func (f FS) Geometry() (*Geometry, error) {
	arg := make([]byte, 112) // struct xfs_fsop_geom_v4
	if err := fsctl.File(f).Do(fsctl.Read, ioctlType, 124, arg); err != nil {
		return nil, err
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(arg[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(arg[at:]) }
	g := &Geometry{
		BlockSize: u32(0), RTExtentSize: u32(4), AGBlocks: u32(8), AGCount: u32(12),
		LogBlocks: u32(16), SectorSize: u32(20), InodeSize: u32(24), MaxPercent: u32(28),
		DataBlocks: u64(32), RTBlocks: u64(40), RTExtents: u64(48), LogStart: u64(56),
		Unit: u32(80), Width: u32(84), Flags: Flags(u32(92)),
		LogSectorSize: u32(96), DirBlockSize: u32(104), LogUnit: u32(108),
	}
	if g.BlockSize == 0 {
		return nil, unix.EUCLEAN
	}
	return g, nil
}
