package server

import (
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// xfsGeometry is what xfs_info(8) tells, from struct xfs_fsop_geom_v4 of the kernel's
// fs/xfs/libxfs/xfs_fs.h or from a superblock.
type xfsGeometry struct {
	name                                 string // device or path
	blockSize, agBlocks, agCount         uint32
	logBlocks, sectorSize, inodeSize     uint32
	maxPercent                           uint32
	dataBlocks, rtBlocks, rtExtents      uint64
	logStart                             uint64
	unit, width                          uint32 // blocks
	flags                                uint32
	logSectorSize, dirBlockSize, logUnit uint32 // bytes
	rtExtentSize                         uint32 // blocks
}

// Flags of the geometry.
const (
	xfsAttr2   = 0x400
	xfsDir2    = 0x80
	xfsDirCI   = 0x1000
	xfsLazy    = 0x4000
	xfsLogV2   = 0x100
	xfsVersion = 0x8000 // 5
)

// xfsGeometry asks the kernel about the mounted file system that fd is on.
func (h *handle) xfsGeometry() (*xfsGeometry, error) {
	arg := make([]byte, 112)
	if _, err := h.View().Ioctl(h.Fd(), ioc(2, 'X', 124, 112), arg); err != nil {
		return nil, err
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(arg[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(arg[at:]) }
	g := &xfsGeometry{
		name: h.Name(), blockSize: u32(0), rtExtentSize: u32(4), agBlocks: u32(8), agCount: u32(12),
		logBlocks: u32(16), sectorSize: u32(20), inodeSize: u32(24), maxPercent: u32(28),
		dataBlocks: u64(32), rtBlocks: u64(40), rtExtents: u64(48), logStart: u64(56),
		unit: u32(80), width: u32(84), flags: u32(92),
		logSectorSize: u32(96), dirBlockSize: u32(104), logUnit: u32(108),
	}
	if g.blockSize == 0 {
		return nil, unix.EUCLEAN
	}
	return g, nil
}

// xfsSuperblock reads the superblock of a device.
func (n *node) xfsSuperblock() (*xfsGeometry, error) {
	sb := make([]byte, xfsSuperSize)
	if _, err := n.ReadAt(sb, 0); err != nil {
		return nil, perror(err, "read: %s", n.Name())
	}
	g, ok := parseXfs(sb)
	if !ok {
		return nil, errorf("%s: not an XFS filesystem", n.Name())
	}
	g.name = n.Name()
	return g, nil
}

const xfsSuperSize = 512

// parseXfs parses a superblock: the kernel's struct xfs_dsb.
func parseXfs(sb []byte) (*xfsGeometry, bool) {
	be := binary.BigEndian
	version := be.Uint16(sb[100:])
	g := &xfsGeometry{
		blockSize: be.Uint32(sb[4:]), dataBlocks: be.Uint64(sb[8:]), rtBlocks: be.Uint64(sb[16:]),
		rtExtents: be.Uint64(sb[24:]), logStart: be.Uint64(sb[48:]), rtExtentSize: be.Uint32(sb[80:]),
		agBlocks: be.Uint32(sb[84:]), agCount: be.Uint32(sb[88:]), logBlocks: be.Uint32(sb[96:]),
		sectorSize: uint32(be.Uint16(sb[102:])), inodeSize: uint32(be.Uint16(sb[104:])), maxPercent: uint32(sb[127]),
		unit: be.Uint32(sb[184:]), width: be.Uint32(sb[188:]),
		logSectorSize: uint32(be.Uint16(sb[194:])), logUnit: be.Uint32(sb[196:]),
	}
	if string(sb[:4]) != "XFSB" || g.blockSize < 512 || g.blockSize > 1<<16 || sb[192] > 8 {
		return nil, false
	}
	g.dirBlockSize = g.blockSize << sb[192]
	features2 := be.Uint32(sb[200:])
	for _, f := range []struct {
		has  bool
		flag uint32
	}{
		{version&0xf == 5, xfsVersion | xfsAttr2 | xfsDir2 | xfsLazy | xfsLogV2},
		{features2&0x8 != 0, xfsAttr2},
		{version&0x2000 != 0, xfsDir2},
		{version&0x4000 != 0, xfsDirCI},
		{features2&0x2 != 0, xfsLazy},
		{version&0x0400 != 0, xfsLogV2},
	} {
		if f.has {
			g.flags |= f.flag
		}
	}
	if g.logSectorSize == 0 {
		g.logSectorSize = 512
	}
	return g, true
}

// xfsGeometry returns the geometry of a device or of the file system that a path is on.
func (s *Server) xfsGeometry(name string) (g *xfsGeometry, err error) {
	if s.isDevice(name) {
		p, mounted := s.findPlace(name)
		if !mounted || p.tree != len(s.trees)-1 {
			if err := s.store.sync(); err != nil {
				return nil, err
			}
			err = s.withNode(name, unix.O_RDONLY, func(n *node) error {
				g, err = n.xfsSuperblock()
				return err
			})
			return g, err
		}
		// What the kernel has in memory is newer.
		return s.xfsGeometry(guestPath(p.m.Dir))
	}
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, perror(err, "%s", name)
	}
	defer h.close()
	if g, err = h.xfsGeometry(); err != nil {
		return nil, errorf("%s: not a mounted XFS filesystem", name)
	}
	if device, err := s.deviceOfMount(h); err == nil {
		g.name = device
	}
	return g, nil
}

func (g *xfsGeometry) has(flag uint32) uint32 {
	if g.flags&flag != 0 {
		return 1
	}
	return 0
}

// names of the log and the realtime section, as xfs_info(8) has them.
func (g *xfsGeometry) logName() string {
	if g.logStart == 0 {
		return "external"
	}
	return "internal"
}

func (g *xfsGeometry) rtName() string {
	if g.rtBlocks > 0 {
		return "external"
	}
	return "none"
}

// XfsInfo returns the geometry of an XFS.
func (s *Server) XfsInfo(ctx context.Context, a *rpc.XfsInfoArgs) (*rpc.Xfsinfo, error) {
	g, err := s.xfsGeometry(a.Pathordevice)
	if err != nil {
		return nil, err
	}
	return &rpc.Xfsinfo{
		XfsMntpoint: g.name, XfsInodesize: g.inodeSize, XfsAgcount: g.agCount, XfsAgsize: g.agBlocks,
		XfsSectsize: g.sectorSize, XfsAttr: 1 + g.has(xfsAttr2),
		XfsBlocksize: g.blockSize, XfsDatablocks: g.dataBlocks, XfsImaxpct: g.maxPercent,
		XfsSunit: g.unit, XfsSwidth: g.width,
		XfsDirversion: 1 + g.has(xfsDir2), XfsDirblocksize: g.dirBlockSize, XfsCimode: g.has(xfsDirCI),
		XfsLogname: g.logName(), XfsLogblocksize: g.blockSize, XfsLogblocks: g.logBlocks,
		XfsLogversion: 1 + g.has(xfsLogV2), XfsLogsectsize: g.logSectorSize, XfsLogsunit: g.logUnit / g.blockSize,
		XfsLazycount: g.has(xfsLazy),
		XfsRtname:    g.rtName(), XfsRtextsize: g.rtExtentSize * g.blockSize, XfsRtblocks: g.rtBlocks, XfsRtextents: g.rtExtents,
	}, nil
}

// XfsInfo2 returns the geometry of an XFS under the names that xfs_info(8) gives.
func (s *Server) XfsInfo2(ctx context.Context, a *rpc.XfsInfo2Args) ([]rpc.Pair, error) {
	i, err := s.XfsInfo(ctx, &rpc.XfsInfoArgs{Pathordevice: a.Pathordevice})
	if err != nil {
		return nil, err
	}
	list := pairs{}
	for _, p := range []struct {
		key   string
		value any
	}{
		{"meta-data", i.XfsMntpoint}, {"meta-data.isize", i.XfsInodesize}, {"meta-data.agcount", i.XfsAgcount},
		{"meta-data.agsize", fmt.Sprint(i.XfsAgsize, " blks")}, {"meta-data.sectsz", i.XfsSectsize}, {"meta-data.attr", i.XfsAttr},
		{"data.bsize", i.XfsBlocksize}, {"data.blocks", i.XfsDatablocks}, {"data.imaxpct", i.XfsImaxpct},
		{"data.sunit", i.XfsSunit}, {"data.swidth", fmt.Sprint(i.XfsSwidth, " blks")},
		{"naming", fmt.Sprint("version ", i.XfsDirversion)}, {"naming.bsize", i.XfsDirblocksize}, {"naming.ascii-ci", i.XfsCimode},
		{"log", i.XfsLogname + " log"}, {"log.bsize", i.XfsLogblocksize}, {"log.blocks", i.XfsLogblocks},
		{"log.version", i.XfsLogversion}, {"log.sectsz", i.XfsLogsectsize},
		{"log.sunit", fmt.Sprint(i.XfsLogsunit, " blks")}, {"log.lazy-count", i.XfsLazycount},
		{"realtime", i.XfsRtname}, {"realtime.extsz", i.XfsRtextsize}, {"realtime.blocks", i.XfsRtblocks}, {"realtime.rtextents", i.XfsRtextents},
	} {
		list.add(p.key, fmt.Sprint(p.value))
	}
	return list, nil
}
