package server

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/lvm"
)

// What is written of LVM is written by lvm(8), which is told that there is no device mapper:
// which volumes are active is the image's affair, before and after.

// lvmNoise is what it says of that.
const lvmNoise = "  WARNING: Activation disabled. No device-mapper interaction will be attempted."

// runLVM runs lvm(8). A "--" has to come before names that are not known to be some. It sees what lvm_set_filter lets it see.
func (s *Server) runLVM(ctx context.Context, command string, args ...string) error {
	options := []string{command, "--driverloaded", "n"}
	if s.lvmFilter != nil {
		options = append(options, "--config", s.lvmFilterConfig())
	}
	_, _, err := s.runProgram(ctx, program{name: "lvm", args: append(options, args...), quiet: []string{lvmNoise}})
	if err != nil {
		return err
	}
	return s.rescan()
}

// lvmFilterConfig is the filter as lvm.conf(5) has it.
func (s *Server) lvmFilterConfig() string {
	var rules []string
	add := func(name string) { rules = append(rules, fmt.Sprintf("%q", "a|^"+regexp.QuoteMeta(name)+"$|")) }
	img, err := s.image()
	if err != nil {
		return ""
	}
	for _, d := range img.Devices() {
		if s.lvmSees(d) {
			add(d.Name)
		}
	}
	return "devices { filter = [ " + strings.Join(append(rules, `"r|.*|"`), ", ") + " ] }"
}

// changeLVM runs lvm(8) on volumes that must not be in use, and are not active meanwhile: those
// that off says yes to. Those that are still there are active again afterwards.
func (s *Server) changeLVM(ctx context.Context, off func(*lvm.LV) bool, command string, args ...string) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	l, err := s.lvm(ctx)
	if err != nil {
		return err
	}
	var list []*unboot.Device
	were := map[string]bool{} // by their UUIDs
	for _, vg := range l.VGs {
		for _, lv := range vg.LVs {
			if d := s.active(lv); d != nil && off(lv) {
				list = append(list, d)
				were[lv.UUID] = true
			}
		}
	}
	if err := s.deactivateVolumes(img, list); err != nil {
		err = errors.Join(s.activateAgain(img, were), err)
		if errors.Is(err, unix.EBUSY) {
			return errorf("  %v", err)
		}
		return err
	}
	err = s.runLVM(ctx, command, args...)
	return errors.Join(err, s.activateAgain(img, were))
}

// activateAgain activates logical volumes that were deactivated, by their UUIDs.
func (s *Server) activateAgain(img *unboot.Image, were map[string]bool) error {
	var list []*volume.Volume
	for _, i := range img.Inactive() {
		if lv, ok := i.Volume.Info.(*lvm.LV); ok && were[lv.UUID] && errors.Is(i.Err, unboot.ErrDeactivated) {
			list = append(list, i.Volume)
		}
	}
	return s.activateVolumes(img, list)
}

// lvmName returns the name by which lvm(8) knows a logical volume.
func (s *Server) lvmName(ctx context.Context, name string) (*lvm.LV, string, error) {
	lv, err := s.logicalVolume(ctx, name)
	if err != nil {
		return nil, "", err
	}
	return lv, lv.VG.Alias + "/" + lv.Name, nil
}

// sameLV returns a function that says yes to one logical volume.
func sameLV(lv *lvm.LV) func(*lvm.LV) bool {
	return func(o *lvm.LV) bool { return o.UUID == lv.UUID }
}

// ofGroup returns a function that says yes to the logical volumes of a group.
func ofGroup(name string) func(*lvm.LV) bool {
	return func(o *lvm.LV) bool { return o.VG.Alias == name }
}

// Pvcreate makes a device a physical volume.
func (s *Server) Pvcreate(ctx context.Context, a *rpc.PvcreateArgs) error {
	return s.runLVM(ctx, "pvcreate", "--force", "--yes", "--", a.Device)
}

// Pvremove makes a physical volume none.
func (s *Server) Pvremove(ctx context.Context, a *rpc.PvremoveArgs) error {
	return s.runLVM(ctx, "pvremove", "--force", a.Device)
}

// Pvresize resizes a physical volume to the size of its device.
func (s *Server) Pvresize(ctx context.Context, a *rpc.PvresizeArgs) error {
	return ofDeviceText(s.runLVM(ctx, "pvresize", a.Device), a.Device)
}

// PvresizeSize resizes a physical volume to a size in bytes.
func (s *Server) PvresizeSize(ctx context.Context, a *rpc.PvresizeSizeArgs) error {
	if a.Size <= 0 {
		return errorf("size is zero or negative")
	}
	err := s.runLVM(ctx, "pvresize", "--yes", "--setphysicalvolumesize", fmt.Sprintf("%db", a.Size), a.Device)
	return ofDeviceText(err, a.Device)
}

// ofDeviceText puts the name of a device before what a program says.
func ofDeviceText(err error, device string) error {
	if err == nil {
		return nil
	}
	return withPrefix(err, "%s: ", device)
}

// PvchangeUuid gives a physical volume a new UUID.
func (s *Server) PvchangeUuid(ctx context.Context, a *rpc.PvchangeUuidArgs) error {
	return s.changeLVM(ctx, s.onPV(ctx, a.Device), "pvchange", "-u", a.Device)
}

// onPV returns a function that says yes to the logical volumes of the group that a physical
// volume is in.
func (s *Server) onPV(ctx context.Context, device string) func(*lvm.LV) bool {
	d := s.device(device)
	return func(lv *lvm.LV) bool {
		return slices.ContainsFunc(lv.VG.PVs, func(pv *lvm.PV) bool { return pv.Member != nil && s.device(pv.Device) == d })
	}
}

// PvchangeUuidAll gives all physical volumes new UUIDs.
func (s *Server) PvchangeUuidAll(ctx context.Context) error {
	return s.changeLVM(ctx, anyLV, "pvchange", "-u", "-a")
}

func anyLV(*lvm.LV) bool { return true }

// Vgcreate makes a volume group of physical volumes.
func (s *Server) Vgcreate(ctx context.Context, a *rpc.VgcreateArgs) error {
	return s.runLVM(ctx, "vgcreate", append([]string{"--", a.Volgroup}, a.Physvols...)...)
}

// Vgremove removes a volume group with its logical volumes.
func (s *Server) Vgremove(ctx context.Context, a *rpc.VgremoveArgs) error {
	return s.changeLVM(ctx, ofGroup(a.Vgname), "vgremove", "--force", "--", a.Vgname)
}

// Vgrename renames a volume group.
func (s *Server) Vgrename(ctx context.Context, a *rpc.VgrenameArgs) error {
	err := s.changeLVM(ctx, ofGroup(a.Volgroup), "vgrename", "--", a.Volgroup, a.Newvolgroup)
	return ofDeviceText(err, a.Volgroup+" -> "+a.Newvolgroup)
}

// VgchangeUuid gives a volume group a new UUID.
func (s *Server) VgchangeUuid(ctx context.Context, a *rpc.VgchangeUuidArgs) error {
	return s.changeLVM(ctx, ofGroup(a.Vg), "vgchange", "-u", "--", a.Vg)
}

// VgchangeUuidAll gives all volume groups new UUIDs.
func (s *Server) VgchangeUuidAll(ctx context.Context) error {
	return s.changeLVM(ctx, anyLV, "vgchange", "-u")
}

// Lvcreate makes a logical volume of some MiB.
func (s *Server) Lvcreate(ctx context.Context, a *rpc.LvcreateArgs) error {
	return s.newLV(ctx, a.Volgroup, a.Logvol, "-L", fmt.Sprintf("%dm", a.Mbytes))
}

// LvcreateFree makes a logical volume of what is left in its group, or of a part of that.
func (s *Server) LvcreateFree(ctx context.Context, a *rpc.LvcreateFreeArgs) error {
	if err := checkPercent(a.Percent); err != nil {
		return err
	}
	return s.newLV(ctx, a.Volgroup, a.Logvol, "-l", fmt.Sprintf("%d%%FREE", a.Percent))
}

func checkPercent(n int) error {
	if n < 0 || n > 100 {
		return errorf("percentage must be [0..100] (was %d)", n)
	}
	return nil
}

// newLV makes a logical volume, and has nothing in it look like a file system.
func (s *Server) newLV(ctx context.Context, vg, lv string, size ...string) error {
	err := s.runLVM(ctx, "lvcreate", append(size, "--yes", "-Zn", "-Wn", "-n", lv, "--", vg)...)
	if err != nil {
		return err
	}
	device := "/dev/" + vg + "/" + lv
	if s.device(device) == nil {
		return nil // it is not to be seen, such as by a filter
	}
	err = s.edit(device, func(n *node) error {
		_, err := n.WriteAt(zeroes[:min(lvHead, n.size)], 0)
		return err
	})
	if err != nil {
		return err
	}
	// What has its mark elsewhere goes too.
	if info, err := s.probe(device); err != nil || info.Type == "" {
		return err
	}
	return s.Wipefs(ctx, &rpc.WipefsArgs{Device: device})
}

// lvHead is how much of a new volume lvcreate(8) writes zeros to, in bytes.
const lvHead = 4 << 10

// Lvremove removes a logical volume, or all those of a group that is named.
func (s *Server) Lvremove(ctx context.Context, a *rpc.LvremoveArgs) error {
	if vg := strings.TrimPrefix(a.Device, "/dev/"); vg != "" && !strings.Contains(vg, "/") && s.device(a.Device) == nil {
		if _, err := s.group(ctx, vg); err == nil {
			return s.changeLVM(ctx, ofGroup(vg), "lvremove", "--force", "--", vg)
		}
	}
	lv, name, err := s.lvmName(ctx, a.Device)
	if err != nil {
		return err
	}
	return s.changeLVM(ctx, sameLV(lv), "lvremove", "--force", name)
}

// Lvrename renames a logical volume.
func (s *Server) Lvrename(ctx context.Context, a *rpc.LvrenameArgs) error {
	lv, name, err := s.lvmName(ctx, a.Logvol)
	if err == nil {
		err = s.changeLVM(ctx, sameLV(lv), "lvrename", "--", name, a.Newlogvol)
	}
	return ofDeviceText(err, a.Logvol+" -> "+a.Newlogvol)
}

// Lvresize resizes a logical volume to a number of MiB.
func (s *Server) Lvresize(ctx context.Context, a *rpc.LvresizeArgs) error {
	return s.resizeLV(ctx, a.Device, "-L", fmt.Sprintf("%dm", a.Mbytes))
}

// LvresizeFree makes a logical volume larger by what is left in its group, or by a part of
// that.
func (s *Server) LvresizeFree(ctx context.Context, a *rpc.LvresizeFreeArgs) error {
	if err := checkPercent(a.Percent); err != nil {
		return err
	}
	return s.resizeLV(ctx, a.Lv, "-l", fmt.Sprintf("+%d%%FREE", a.Percent))
}

// resizeLV resizes a logical volume, which may be in use.
func (s *Server) resizeLV(ctx context.Context, device string, size ...string) error {
	_, name, err := s.lvmName(ctx, device)
	if err == nil {
		err = s.runLVM(ctx, "lvresize", append(append([]string{"--force"}, size...), name)...)
	}
	return ofDeviceText(err, device)
}
