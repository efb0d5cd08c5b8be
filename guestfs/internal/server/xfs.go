package server

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/xfs"
)

// xfsGeometry returns the geometry of a device or of the file system that a path is on,
// and the name of its device if that is known.
func (s *Server) xfsGeometry(name string) (device string, g *xfs.Geometry, err error) {
	if s.isDevice(name) {
		p, mounted := s.findPlace(name)
		if !mounted || p.tree != len(s.trees)-1 {
			g, err = s.xfsSuperblock(name)
			return name, g, err
		}
		// What the kernel has in memory is newer.
		return s.xfsGeometry(guestPath(p.m.Dir))
	}
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return "", nil, perror(err, "%s", name)
	}
	defer h.close()
	if g, err = xfs.FS(h.file()).Geometry(); err != nil {
		return "", nil, errorf("%s: not a mounted XFS filesystem", name)
	}
	if device, err := s.deviceOfMount(h); err == nil {
		name = device
	}
	return name, g, nil
}

// xfsSuperblock reads the superblock of a device.
func (s *Server) xfsSuperblock(device string) (g *xfs.Geometry, err error) {
	if err := s.store.sync(); err != nil {
		return nil, err
	}
	err = s.withNode(device, unix.O_RDONLY, func(n *node) error {
		sb := make([]byte, xfs.SuperblockSize)
		if _, err := n.ReadAt(sb, 0); err != nil {
			return perror(err, "read: %s", device)
		}
		ok := false
		if g, ok = xfs.ParseSuperblock(sb); !ok {
			return errorf("%s: not an XFS filesystem", device)
		}
		return nil
	})
	return g, err
}

// XfsInfo returns the geometry of an XFS.
func (s *Server) XfsInfo(ctx context.Context, a *rpc.XfsInfoArgs) (*rpc.Xfsinfo, error) {
	name, g, err := s.xfsGeometry(a.Pathordevice)
	if err != nil {
		return nil, err
	}
	has := func(f xfs.Flags) uint32 {
		if g.Has(f) {
			return 1
		}
		return 0
	}
	logName, rtName := "internal", "none"
	if g.LogStart == 0 {
		logName = "external"
	}
	if g.RTBlocks > 0 {
		rtName = "external"
	}
	return &rpc.Xfsinfo{
		XfsMntpoint: name, XfsInodesize: g.InodeSize, XfsAgcount: g.AGCount, XfsAgsize: g.AGBlocks,
		XfsSectsize: g.SectorSize, XfsAttr: 1 + has(xfs.Attr2),
		XfsBlocksize: g.BlockSize, XfsDatablocks: g.DataBlocks, XfsImaxpct: g.MaxPercent,
		XfsSunit: g.Unit, XfsSwidth: g.Width,
		XfsDirversion: 1 + has(xfs.DirV2), XfsDirblocksize: g.DirBlockSize, XfsCimode: has(xfs.DirCI),
		XfsLogname: logName, XfsLogblocksize: g.BlockSize, XfsLogblocks: g.LogBlocks,
		XfsLogversion: 1 + has(xfs.LogV2), XfsLogsectsize: g.LogSectorSize, XfsLogsunit: g.LogUnit / g.BlockSize,
		XfsLazycount: has(xfs.LazyCounters),
		XfsRtname:    rtName, XfsRtextsize: g.RTExtentSize * g.BlockSize, XfsRtblocks: g.RTBlocks, XfsRtextents: g.RTExtents,
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
