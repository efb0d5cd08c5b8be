package server

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/lvm"
)

// What lvm(8) prints in the appliance is here what package lvm reads of the physical volumes.
// Volume groups are active from the beginning, as there.

// lvm returns what there is of LVM, as far as lvm_set_filter lets it be seen.
func (s *Server) lvm(ctx context.Context) (*lvm.Layout, error) {
	members, done, err := s.members("LVM2_member", s.lvmSees)
	if err != nil {
		return nil, err
	}
	defer done()
	return lvm.Read(ctx, members), nil
}

// members opens the devices that hold a type of content and that see says yes to, in the
// order of the graph. done closes them.
func (s *Server) members(kind string, see func(*unboot.Device) bool) (list []*volume.Member, done func(), err error) {
	if len(s.config.Drives) == 0 {
		return nil, func() {}, nil
	}
	img, err := s.image()
	if err != nil {
		return nil, nil, err
	}
	var nodes []*node
	done = func() {
		for _, n := range nodes {
			n.Close()
		}
	}
	for _, d := range img.Devices() {
		if !holds(d, kind) || !see(d) {
			continue
		}
		n, err := s.openNode(d.Name, unix.O_RDONLY)
		if err != nil {
			done()
			return nil, nil, err
		}
		nodes = append(nodes, n)
		m := &volume.Member{R: n, Size: n.size, SectorSize: n.sectorSize, Info: d.Content, Name: d.Name, Disk: d.Kind == unboot.KindDisk}
		if p := d.Partition; p != nil {
			m.PartNumber, m.PartStart, m.PartType, m.PartUUID, m.PartName = p.Number, p.Start, p.Type, p.UUID, p.Name
		}
		list = append(list, m)
	}
	return list, done, nil
}

// active returns the device of a logical volume, or nil.
func (s *Server) active(lv *lvm.LV) *unboot.Device {
	d := s.device("/dev/mapper/" + lvm.QuoteName(lv.VG.Alias, lv.Name))
	if d == nil || d.Kind != unboot.KindLVM {
		return nil
	}
	return d
}

// lvPath is how LVM's users call a logical volume.
func lvPath(lv *lvm.LV) string { return "/dev/" + lv.VG.Alias + "/" + lv.Name }

// Pvs returns LVM's physical volumes.
func (s *Server) Pvs(ctx context.Context) ([]string, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, pv := range l.PVs {
		list = append(list, pvName(pv))
	}
	slices.Sort(list)
	return list, nil
}

// Vgs returns LVM's volume groups.
func (s *Server) Vgs(ctx context.Context) ([]string, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, vg := range l.VGs {
		list = append(list, vg.Alias)
	}
	slices.Sort(list)
	return list, nil
}

// Lvs returns LVM's logical volumes that are for users, but for those that are not to be
// activated with the others.
func (s *Server) Lvs(ctx context.Context) ([]string, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, vg := range l.VGs {
		for _, lv := range vg.LVs {
			if lv.Public() && !lv.Has("ACTIVATION_SKIP") {
				list = append(list, lvPath(lv))
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// logicalVolume returns the logical volume that a name stands for, or an error in LVM's
// words.
func (s *Server) logicalVolume(ctx context.Context, name string) (*lvm.LV, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	d := s.device(name)
	for _, vg := range l.VGs {
		for _, lv := range vg.LVs {
			if lvPath(lv) == name || d != nil && s.active(lv) == d {
				return lv, nil
			}
		}
	}
	vg, _, _ := strings.Cut(strings.TrimPrefix(name, "/dev/"), "/")
	if _, err := group(l, vg); err != nil {
		return nil, err
	}
	return nil, errorf("  Failed to find logical volume %q", strings.TrimPrefix(name, "/dev/"))
}

// group returns a volume group of a name, or an error in LVM's words.
func group(l *lvm.Layout, name string) (*lvm.VG, error) {
	for _, vg := range l.VGs {
		if vg.Alias == name {
			return vg, nil
		}
	}
	return nil, errorf("  Volume group %q not found\n  Cannot process volume group %s", name, name)
}

func (s *Server) group(ctx context.Context, name string) (*lvm.VG, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return nil, err
	}
	vg, err := group(l, name)
	return vg, prefixed(err, name)
}

// Pvuuid returns the UUID of a physical volume.
func (s *Server) Pvuuid(ctx context.Context, a *rpc.PvuuidArgs) (string, error) {
	l, err := s.lvm(ctx)
	if err != nil {
		return "", err
	}
	for _, pv := range l.PVs {
		if pv.Member != nil && s.device(a.Device) == s.device(pv.Device) {
			return pv.UUID, nil
		}
	}
	if d := s.device(a.Device); d != nil && len(partitionsOf(d)) > 0 {
		return "", errorf("%s:   Failed to find device %q.", a.Device, a.Device)
	}
	return "", errorf("%s:   No physical volume label read from %s.", a.Device, a.Device)
}

// Vguuid returns the UUID of a volume group.
func (s *Server) Vguuid(ctx context.Context, a *rpc.VguuidArgs) (string, error) {
	vg, err := s.group(ctx, a.Vgname)
	if err != nil {
		return "", err
	}
	return vg.UUID, nil
}

// Lvuuid returns the UUID of a logical volume.
func (s *Server) Lvuuid(ctx context.Context, a *rpc.LvuuidArgs) (string, error) {
	lv, err := s.logicalVolume(ctx, a.Device)
	if err != nil {
		return "", prefixed(err, a.Device)
	}
	return lv.UUID, nil
}

// Vgpvuuids returns the UUIDs of the physical volumes in a group.
func (s *Server) Vgpvuuids(ctx context.Context, a *rpc.VgpvuuidsArgs) (list []string, err error) {
	vg, err := s.group(ctx, a.Vgname)
	if err != nil {
		return nil, err
	}
	for _, pv := range vg.PVs {
		list = append(list, pv.UUID)
	}
	return list, nil
}

// Vglvuuids returns the UUIDs of the visible logical volumes in a group.
func (s *Server) Vglvuuids(ctx context.Context, a *rpc.VglvuuidsArgs) (list []string, err error) {
	vg, err := s.group(ctx, a.Vgname)
	if err != nil {
		return nil, err
	}
	for _, lv := range vg.LVs {
		if lv.Visible() {
			list = append(list, lv.UUID)
		}
	}
	return list, nil
}

// Vgmeta returns the text of a group's metadata.
func (s *Server) Vgmeta(ctx context.Context, a *rpc.VgmetaArgs) ([]byte, error) {
	vg, err := s.group(ctx, a.Vgname)
	if err != nil {
		return nil, err
	}
	if len(vg.Text) > protocol.MessageMax-1024 {
		return nil, errorf("%s: the metadata has %d bytes, which is too much for a message", a.Vgname, len(vg.Text))
	}
	return []byte(vg.Text), nil
}

// IsLv reports whether a device is a logical volume.
func (s *Server) IsLv(ctx context.Context, a *rpc.IsLvArgs) (bool, error) {
	name, err := s.canonicalLV(ctx, a.Mountable)
	return name != "", err
}

// LvmCanonicalLvName returns the name under /dev/VG of a device that is a logical volume.
func (s *Server) LvmCanonicalLvName(ctx context.Context, a *rpc.LvmCanonicalLvNameArgs) (string, error) {
	name, err := s.canonicalLV(ctx, a.Lvname)
	if err == nil && name == "" {
		err = errorf("%s: not a logical volume", a.Lvname)
	}
	return name, err
}

// canonicalLV returns the name of a logical volume, or "" if the device is none.
func (s *Server) canonicalLV(ctx context.Context, name string) (string, error) {
	d := s.device(name)
	if d == nil {
		return "", perror(unix.ENOENT, "stat: %s", name)
	}
	lv, err := s.logicalVolume(ctx, d.Name)
	if err != nil || !lv.Public() {
		return "", nil
	}
	return lvPath(lv), nil
}

// lvmActivate makes the volumes of groups, or of all, active or not.
func (s *Server) lvmActivate(ctx context.Context, activate bool, groups []string) error {
	if len(s.config.Drives) == 0 {
		return nil
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	l, err := s.lvm(ctx)
	if err != nil {
		return err
	}
	for _, name := range groups {
		if _, err := group(l, name); err != nil {
			return prefixed(err, "vgchange")
		}
	}
	in := func(v *volume.Volume) bool {
		lv, ok := v.Info.(*lvm.LV)
		return ok && unboot.Kind(v.Kind) == unboot.KindLVM && (len(groups) == 0 || slices.Contains(groups, lv.VG.Alias))
	}
	if activate {
		var list []*volume.Volume
		for _, i := range img.Inactive() {
			if errors.Is(i.Err, unboot.ErrDeactivated) && in(i.Volume) && s.lvmSeesAll(i.On) {
				list = append(list, i.Volume)
			}
		}
		return s.activateVolumes(img, list)
	}
	var list []*unboot.Device
	for _, d := range img.Devices() {
		if d.Volume != nil && in(d.Volume) {
			list = append(list, d)
		}
	}
	if err := s.deactivateVolumes(img, list); err != nil {
		return withPrefix(err, "vgchange: ")
	}
	return nil
}

// activateVolumes brings volumes back.
func (s *Server) activateVolumes(img *unboot.Image, list []*volume.Volume) error {
	if len(list) == 0 {
		return nil
	}
	return perrorAs(img.Activate(list...))
}

// deactivateVolumes takes volumes away.
func (s *Server) deactivateVolumes(img *unboot.Image, list []*unboot.Device) error {
	if len(list) == 0 {
		return nil
	}
	return perrorAs(img.Deactivate(list...))
}

// perrorAs gives an error its own text, with the errno that it wraps.
func perrorAs(err error) error {
	if err == nil {
		return nil
	}
	return perrorText(err, "%v", err)
}

// VgActivate activates volume groups, or stops them.
func (s *Server) VgActivate(ctx context.Context, a *rpc.VgActivateArgs) error {
	return s.lvmActivate(ctx, a.Activate, a.Volgroups)
}

// VgActivateAll activates all volume groups, or stops them.
func (s *Server) VgActivateAll(ctx context.Context, a *rpc.VgActivateAllArgs) error {
	return s.lvmActivate(ctx, a.Activate, nil)
}

// LvmScan looks for volume groups on all devices, and activates them if it is to.
func (s *Server) LvmScan(ctx context.Context, a *rpc.LvmScanArgs) error {
	if len(s.config.Drives) == 0 {
		return nil
	}
	if err := s.rescan(); err != nil || !a.Activate {
		return err
	}
	return s.lvmActivate(ctx, true, nil)
}

// Vgscan is LvmScan of older programs, which activates nothing.
func (s *Server) Vgscan(ctx context.Context) error {
	return s.LvmScan(ctx, &rpc.LvmScanArgs{})
}
