package server

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/volume/lvm"
)

// The columns of pvs(8), vgs(8) and lvs(8). The appliance has these programs print each line
// at once, so nothing is sorted: the group that was found last comes first, and what is in a
// group comes in the order of its metadata.

// missingPV is how pvs(8) calls a physical volume without a device.
const missingPV = "[unknown]"

// uuid32 is how the protocol has LVM's UUIDs: without hyphens.
func uuid32(uuid string) (b [32]byte) {
	copy(b[:], strings.ReplaceAll(uuid, "-", ""))
	return b
}

// tags joins tags as a report does.
func tags(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), ",") }

func pvName(pv *lvm.PV) string {
	if pv.Member == nil {
		return missingPV
	}
	return pv.Device
}

// PvsFull returns LVM's physical volumes.
func (s *Server) PvsFull(ctx context.Context) ([]rpc.LvmPv, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	var pvs []*lvm.PV
	for _, vg := range slices.Backward(l.VGs) {
		pvs = append(pvs, vg.PVs...)
	}
	for _, pv := range l.PVs {
		if !slices.Contains(pvs, pv) {
			pvs = append(pvs, pv) // it is in no group
		}
	}
	var list []rpc.LvmPv
	for _, pv := range pvs {
		size, free := pv.Usable()
		r := rpc.LvmPv{
			PvName: pvName(pv), PvUuid: uuid32(pv.UUID), PvFmt: "lvm2", PvSize: uint64(size), PvFree: uint64(free),
			PvUsed: uint64(size - free), PvAttr: pv.Attr(), PvPeCount: pv.Extents, PvPeAllocCount: pv.Allocated,
			PvTags: tags(pv.Tags), PeStart: uint64(pv.Start), PvMdaCount: int64(len(pv.Areas)), PvMdaFree: uint64(pv.MetadataFree()),
		}
		if pv.Member != nil {
			r.DevSize = uint64(pv.Member.Size)
		}
		list = append(list, r)
	}
	return list, nil
}

// VgsFull returns LVM's volume groups.
func (s *Server) VgsFull(ctx context.Context) ([]rpc.LvmVg, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	var list []rpc.LvmVg
	for _, vg := range slices.Backward(l.VGs) {
		volumes, snapshots := vg.Counts()
		areas, free := vg.MetadataFree()
		list = append(list, rpc.LvmVg{
			VgName: vg.Alias, VgUuid: uuid32(vg.UUID), VgFmt: vg.Format, VgAttr: vg.Attr(),
			VgSize: uint64(vg.Total() * vg.ExtentSize), VgFree: uint64(vg.Free() * vg.ExtentSize), VgSysid: vg.SystemID,
			VgExtentSize: uint64(vg.ExtentSize), VgExtentCount: vg.Total(), VgFreeCount: vg.Free(), MaxLv: vg.MaxLV, MaxPv: vg.MaxPV,
			PvCount: int64(len(vg.PVs)), LvCount: int64(volumes), SnapCount: int64(snapshots), VgSeqno: vg.SeqNo,
			VgTags: tags(vg.Tags), VgMdaCount: int64(areas), VgMdaFree: uint64(free),
		})
	}
	return list, nil
}

// LvsFull returns LVM's visible logical volumes.
func (s *Server) LvsFull(ctx context.Context) ([]rpc.LvmLv, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	var list []rpc.LvmLv
	for _, vg := range slices.Backward(l.VGs) {
		for _, lv := range vg.LVs {
			if lv.Visible() {
				list = append(list, s.lvRow(lv))
			}
		}
	}
	return list, nil
}

// shown is how lvs(8) names a volume in a column: in brackets if it is hidden.
func shown(lv *lvm.LV) string {
	switch {
	case lv == nil:
		return ""
	case lv.Visible():
		return lv.Name
	}
	return "[" + lv.Name + "]"
}

// lvRow returns what lvs(8) prints of a logical volume.
func (s *Server) lvRow(lv *lvm.LV) rpc.LvmLv {
	d := s.active(lv)
	r := rpc.LvmLv{
		LvName: lv.Name, LvUuid: uuid32(lv.UUID), LvMajor: lv.Major, LvMinor: lv.Minor, LvKernelMajor: -1, LvKernelMinor: -1,
		LvSize: uint64(lv.Size), SegCount: int64(len(lv.Segments)), Origin: shown(lv.Origin()), SnapPercent: -1, CopyPercent: -1,
		LvTags: tags(lv.Tags), MirrorLog: shown(lv.Log()), Modules: strings.Join(lv.Modules(), ","),
	}
	if pv := lv.MovePV(); pv != nil {
		r.MovePv = pvName(pv)
	}
	active, used := d != nil, d != nil && s.isUsed(d)
	switch {
	case d != nil:
		r.LvKernelMajor, r.LvKernelMinor = s.kernelNumbers(d)
		r.SnapPercent, r.CopyPercent = s.percents(d.Volume.Name)
	case !lv.Public():
		// A thin pool has no name of its own here, but is there below its volumes.
		r.SnapPercent, r.CopyPercent = s.percents(lvm.QuoteName(lv.VG.Alias, lv.Name, "tpool"))
		active = r.SnapPercent >= 0
		used = active
	}
	r.LvAttr = lv.Attr(active, used)
	return r
}

// isUsed reports whether a device is mounted, or something lies on it.
func (s *Server) isUsed(d *unboot.Device) bool {
	return len(d.Children()) > 0 || slices.ContainsFunc(s.places(), func(p place) bool { return p.m.Device == d.Name })
}

// kernelNumbers returns the numbers of a device of the device mapper.
func (s *Server) kernelNumbers(d *unboot.Device) (major, minor int64) {
	img, err := s.image()
	if err != nil {
		return -1, -1
	}
	text, err := img.Kernel().ReadFile("/sys/block/"+kernelName(d)+"/dev", 64)
	if err != nil {
		return -1, -1
	}
	first, second, _ := strings.Cut(strings.TrimSpace(string(text)), ":")
	major, err1 := strconv.ParseInt(first, 10, 64)
	minor, err2 := strconv.ParseInt(second, 10, 64)
	if cmp.Or(err1, err2) != nil {
		return -1, -1
	}
	return major, minor
}

// kernelName is how /sys/block calls a device: "dm-0", "md127", "sda".
func kernelName(d *unboot.Device) string {
	for _, name := range append([]string{d.Name}, d.Aliases...) {
		if short := strings.TrimPrefix(name, "/dev/"); strings.HasPrefix(short, "dm-") && !strings.Contains(short, "/") {
			return short
		}
	}
	return strings.TrimPrefix(d.Name, "/dev/")
}

// percents returns how full a snapshot, a thin volume, a pool or a cache is, and how far the
// copies of a mirror or RAID are in sync, or a cache is dirty: as the kernel says it, or -1 of
// other devices.
func (s *Server) percents(name string) (full, copied float32) {
	full, copied = -1, -1
	img, err := s.image()
	if err != nil {
		return
	}
	control, err := dm.Open(img.Kernel())
	if err != nil {
		return
	}
	defer control.Close()
	lines, err := control.Status(name)
	if err != nil || len(lines) == 0 {
		return
	}
	f := strings.Fields(lines[0])
	if len(f) < 4 {
		return
	}
	size, kind, f := f[1], f[2], append(f[3:], make([]string, 16)...)
	switch kind {
	case "snapshot", "snapshot-merge":
		full = snapshotPercent(f[0], f[1])
	case "thin":
		full = ratio(f[0], size)
	case "thin-pool":
		full = fraction(f[2])
	case "raid":
		if !strings.HasPrefix(f[0], "raid0") {
			copied = fraction(f[3])
		}
	case "mirror":
		// The legs, as many as the first word says, are before it.
		if n, err := strconv.Atoi(f[0]); err == nil && n > 0 && n < len(f)-1 {
			copied = fraction(f[1+n])
		}
	case "cache":
		_, blocks, _ := strings.Cut(f[3], "/")
		full, copied = fraction(f[3]), ratio(f[10], blocks)
	case "writecache":
		if free := ratio(f[2], f[1]); free >= 0 {
			full = 100 - free
		}
	}
	return full, copied
}

// snapshotPercent reads "USED/TOTAL" and what of the former is metadata, in sectors. An empty
// snapshot has nothing else.
func snapshotPercent(use, metadata string) float32 {
	used, total, ok := strings.Cut(use, "/")
	switch {
	case !ok: // "Invalid", "Overflow"…
		return 100
	case metadata == used:
		return 0
	}
	return ratio(used, total)
}

// fraction is ratio of "DONE/ALL".
func fraction(s string) float32 {
	done, all, _ := strings.Cut(s, "/")
	return ratio(done, all)
}

// ratio returns a part of a whole as a percentage with two digits, as a report has it; or -1
// if they are no numbers.
func ratio(part, whole string) float32 {
	a, err1 := strconv.ParseFloat(part, 64)
	b, err2 := strconv.ParseFloat(whole, 64)
	if cmp.Or(err1, err2) != nil || b <= 0 {
		return -1
	}
	v, _ := strconv.ParseFloat(strconv.FormatFloat(100*a/b, 'f', 2, 64), 32)
	return float32(v)
}
