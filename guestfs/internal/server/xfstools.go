package server

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/xfs"
	"github.com/unboot/unboot/internal/hosttool"
)

// XfsGrowfs grows a mounted XFS. Sizes are in blocks of the file system; that of the data
// section is the device's, if none is given.
func (s *Server) XfsGrowfs(ctx context.Context, a *rpc.XfsGrowfsArgs) error {
	for _, v := range []rpc.Opt[int64]{a.Datasize, a.Logsize, a.Rtsize, a.Rtextsize} {
		if v.Set && v.Value < 0 {
			return errorf("%s: a size must be >= 0", a.Path)
		}
	}
	h, err := s.openPath(a.Path, unix.O_RDONLY, 0)
	if err != nil {
		return perror(err, "%s", a.Path)
	}
	defer h.close()
	fs := xfs.FS(h.file())
	g, err := fs.Geometry()
	if err != nil {
		return errorf("%s: not a mounted XFS filesystem", a.Path)
	}
	grown := func(what string, err error) error {
		if err != nil {
			return perror(err, "%s: growing the %s section", a.Path, what)
		}
		return nil
	}
	data := a.Datasec.Or(false) || a.Datasize.Set || a.Maxpct.Set
	log := a.Logsec.Or(false) || a.Logsize.Set
	rt := a.Rtsec.Or(false) || a.Rtsize.Set || a.Rtextsize.Set
	if data || !log && !rt {
		blocks := uint64(a.Datasize.Value)
		switch {
		case a.Datasize.Set:
		case a.Maxpct.Set && !a.Datasec.Or(false):
			blocks = g.DataBlocks
		default:
			size, err := s.sizeOfMount(h)
			if err != nil {
				return err
			}
			blocks = uint64(size) / uint64(g.BlockSize)
		}
		// More inodes or less are a change of their own to the kernel.
		percent := g.MaxPercent
		if a.Maxpct.Set {
			percent = uint32(a.Maxpct.Value)
		}
		if blocks != g.DataBlocks || percent != g.MaxPercent {
			if err := grown("data", fs.GrowData(blocks, percent)); err != nil {
				return err
			}
		}
	}
	if log {
		if err := grown("log", fs.GrowLog(uint32(a.Logsize.Or(int64(g.LogBlocks))))); err != nil {
			return err
		}
	}
	if rt {
		return grown("realtime", fs.GrowRealtime(uint64(a.Rtsize.Or(int64(g.RTBlocks))), uint32(a.Rtextsize.Or(int64(g.RTExtentSize)))))
	}
	return nil
}

// sizeOfMount returns the size in bytes of the device that a mounted file is on.
func (s *Server) sizeOfMount(h *handle) (size int64, err error) {
	name, err := s.deviceOfMount(h)
	if err != nil {
		return 0, err
	}
	err = s.withNode(name, unix.O_RDONLY, func(n *node) error {
		size = n.size
		return nil
	})
	return size, err
}

// deviceOfMount returns the device that a mounted file is on.
func (s *Server) deviceOfMount(h *handle) (string, error) {
	st, err := h.stat()
	if err != nil {
		return "", perror(err, "stat: %s", h.Name())
	}
	for _, p := range s.places() {
		d := s.device(p.m.Device)
		if d == nil {
			continue
		}
		dev, err := s.deviceID(d.Name)
		if err == nil && dev == unix.Mkdev(st.Dev_major, st.Dev_minor) {
			return d.Name, nil
		}
	}
	return "", errorf("%s: its device is not known", h.Name())
}

// deviceID returns the device number of a device.
func (s *Server) deviceID(name string) (uint64, error) {
	img, err := s.image()
	if err != nil {
		return 0, err
	}
	var st unix.Statx_t
	if err := img.Kernel().Statx(cwd, name, 0, statMask, &st); err != nil {
		return 0, err
	}
	return unix.Mkdev(st.Rdev_major, st.Rdev_minor), nil
}

// XfsAdmin changes parameters of an XFS that is not mounted.
func (s *Server) XfsAdmin(ctx context.Context, a *rpc.XfsAdminArgs) error {
	args := []string{"-f"} // it works on a file, whatever imgfile says
	for _, o := range []struct {
		set    bool
		option string
	}{{a.Extunwritten.Or(false), "-e"}, {a.V2log.Or(false), "-j"}, {a.Projid32bit.Or(false), "-p"}} {
		if o.set {
			args = append(args, o.option)
		}
	}
	if a.Lazycounter.Set {
		args = append(args, "-c", map[bool]string{false: "0", true: "1"}[a.Lazycounter.Value])
	}
	if a.Label.Set {
		args = append(args, "-L", a.Label.Value)
	}
	if a.Uuid.Set {
		args = append(args, "-U", a.Uuid.Value)
	}
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "xfs_admin", args...)
}

// XfsRepair repairs an XFS and returns the exit status of xfs_repair(8): 0 is good.
func (s *Server) XfsRepair(ctx context.Context, a *rpc.XfsRepairArgs) (int, error) {
	t := tool{use: hosttool.Changes, devices: []string{a.Device}, name: "xfs_repair", args: []string{"-f"}}
	flag := func(v rpc.Opt[bool], args ...string) {
		if v.Or(false) {
			t.args = append(t.args, args...)
		}
	}
	flag(a.Forcelogzero, "-L")
	flag(a.Nomodify, "-n")
	flag(a.Noprefetch, "-P")
	flag(a.Forcegeometry, "-o", "force_geometry")
	var err error
	number := func(v rpc.Opt[int64], name string, f func(n int64) []string) {
		if v.Set && v.Value < 0 && err == nil {
			err = errorf("%s must be >= 0", name)
		}
		if v.Set {
			t.args = append(t.args, f(v.Value)...)
		}
	}
	o := func(key string) func(int64) []string {
		return func(n int64) []string { return []string{"-o", fmt.Sprint(key, "=", n)} }
	}
	number(a.Maxmem, "maxmem", func(n int64) []string { return []string{"-m", fmt.Sprint(n)} })
	number(a.Ihashsize, "ihashsize", o("ihash"))
	number(a.Bhashsize, "bhashsize", o("bhash"))
	number(a.Agstride, "agstride", o("ag_stride"))
	if err != nil {
		return -1, err
	}
	if a.Nomodify.Or(false) {
		t.use = hosttool.Reads
	}
	for _, dev := range []struct {
		option string
		v      rpc.Opt[string]
	}{{"-l", a.Logdev}, {"-r", a.Rtdev}} {
		if !dev.v.Set {
			continue
		}
		name, err := s.resolveDevice(dev.v.Value)
		if err != nil {
			return -1, perror(err, "%s", dev.v.Value)
		}
		if slices.Contains(t.devices, name) {
			return -1, errorf("%s: the same device twice", name)
		}
		t.args = append(t.args, dev.option, hosttool.Arg(len(t.devices)))
		t.devices = append(t.devices, name)
	}
	t.args = append(t.args, hosttool.Arg(0))
	return s.toolStatus(ctx, t)
}
