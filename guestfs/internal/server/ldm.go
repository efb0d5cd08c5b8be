package server

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/ldm"
)

// What ldmtool(1) prints in the appliance is here what package ldm reads. Volumes are there
// from the beginning, which programs call ldmtool_create_all for.

// ldmKind is the Kind of devices that package ldm has planned.
const ldmKind unboot.Kind = "ldm"

// diskGroups returns the groups of the dynamic disks that see says yes to.
func (s *Server) diskGroups(ctx context.Context, see func(*unboot.Device) bool) ([]*ldm.Group, error) {
	members, done, err := s.members("ldm_member", see)
	if err != nil {
		return nil, err
	}
	defer done()
	return ldm.Scan(ctx, members), nil
}

func anyDevice(*unboot.Device) bool { return true }

// ListLdmVolumes returns the volumes of Windows dynamic disks.
func (s *Server) ListLdmVolumes(ctx context.Context) (list []string, err error) {
	if len(s.config.Drives) == 0 {
		return nil, nil
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	for _, d := range img.Devices() {
		if d.Kind == ldmKind {
			list = append(list, d.Name)
		}
	}
	slices.Sort(list)
	return list, nil
}

// ListLdmPartitions returns the pieces of volumes that ldmtool(1) makes devices of: those of
// mirrors and RAID 5. Nobody is to use them, so here they have no names.
func (s *Server) ListLdmPartitions(ctx context.Context) ([]string, error) { return nil, nil }

// LdmtoolCreateAll brings back what LdmtoolRemoveAll has taken away.
func (s *Server) LdmtoolCreateAll(ctx context.Context) error {
	if len(s.config.Drives) == 0 {
		return nil
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	var list []*volume.Volume
	for _, i := range img.Inactive() {
		if errors.Is(i.Err, unboot.ErrDeactivated) && unboot.Kind(i.Kind) == ldmKind {
			list = append(list, i.Volume)
		}
	}
	return s.activateVolumes(img, list)
}

// LdmtoolRemoveAll takes the devices of the volumes away.
func (s *Server) LdmtoolRemoveAll(ctx context.Context) error {
	if len(s.config.Drives) == 0 {
		return nil
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	return s.deactivateVolumes(img, slices.DeleteFunc(img.Devices(), func(d *unboot.Device) bool { return d.Kind != ldmKind }))
}

// LdmtoolScan returns the GUIDs of the disk groups.
func (s *Server) LdmtoolScan(ctx context.Context) ([]string, error) {
	return s.groupGUIDs(ctx, anyDevice)
}

// LdmtoolScanDevices returns the GUIDs of the disk groups on some devices.
func (s *Server) LdmtoolScanDevices(ctx context.Context, a *rpc.LdmtoolScanDevicesArgs) ([]string, error) {
	var names []string
	for _, name := range a.Devices {
		names = append(names, s.canonicalDevice(name))
	}
	if len(names) == 0 {
		return s.groupGUIDs(ctx, anyDevice)
	}
	return s.groupGUIDs(ctx, func(d *unboot.Device) bool {
		return slices.Contains(names, d.Name) || slices.ContainsFunc(d.Parents(), func(p *unboot.Device) bool { return slices.Contains(names, p.Name) })
	})
}

func (s *Server) groupGUIDs(ctx context.Context, see func(*unboot.Device) bool) (list []string, err error) {
	groups, err := s.diskGroups(ctx, see)
	for _, g := range groups {
		list = append(list, g.GUID)
	}
	return list, err
}

// diskGroup returns a group by its GUID.
func (s *Server) diskGroup(ctx context.Context, guid string) (*ldm.Group, error) {
	groups, err := s.diskGroups(ctx, anyDevice)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if strings.EqualFold(g.GUID, guid) {
			return g, nil
		}
	}
	return nil, errorf("No such disk group: %s", guid)
}

// ldmVolume returns a volume by its group's GUID and its name.
func (s *Server) ldmVolume(ctx context.Context, guid, name string) (*ldm.Volume, error) {
	g, err := s.diskGroup(ctx, guid)
	if err != nil {
		return nil, err
	}
	for _, v := range g.Volumes {
		if v.Name == name {
			return v, nil
		}
	}
	return nil, errorf("No such volume %s in disk group %s", name, guid)
}

// LdmtoolDiskgroupName returns the name of a group.
func (s *Server) LdmtoolDiskgroupName(ctx context.Context, a *rpc.LdmtoolDiskgroupNameArgs) (string, error) {
	g, err := s.diskGroup(ctx, a.Diskgroup)
	if err != nil {
		return "", err
	}
	return g.Name, nil
}

// LdmtoolDiskgroupVolumes returns the names of a group's volumes.
func (s *Server) LdmtoolDiskgroupVolumes(ctx context.Context, a *rpc.LdmtoolDiskgroupVolumesArgs) (list []string, err error) {
	g, err := s.diskGroup(ctx, a.Diskgroup)
	if err != nil {
		return nil, err
	}
	for _, v := range g.Volumes {
		list = append(list, v.Name)
	}
	return list, nil
}

// LdmtoolDiskgroupDisks returns the names of a group's disks.
func (s *Server) LdmtoolDiskgroupDisks(ctx context.Context, a *rpc.LdmtoolDiskgroupDisksArgs) (list []string, err error) {
	g, err := s.diskGroup(ctx, a.Diskgroup)
	if err != nil {
		return nil, err
	}
	for _, d := range g.Disks {
		list = append(list, d.Name)
	}
	return list, nil
}

// LdmtoolVolumeType returns the type of a volume: "simple", "spanned", "striped", "mirrored"
// or "RAID5".
func (s *Server) LdmtoolVolumeType(ctx context.Context, a *rpc.LdmtoolVolumeTypeArgs) (string, error) {
	v, err := s.ldmVolume(ctx, a.Diskgroup, a.Volume)
	if err != nil {
		return "", err
	}
	return v.Type, nil
}

// LdmtoolVolumeHint returns where Windows mounts a volume, or "".
func (s *Server) LdmtoolVolumeHint(ctx context.Context, a *rpc.LdmtoolVolumeHintArgs) (string, error) {
	v, err := s.ldmVolume(ctx, a.Diskgroup, a.Volume)
	if err != nil {
		return "", err
	}
	return v.Hint, nil
}

// LdmtoolVolumePartitions returns the names of a volume's pieces.
func (s *Server) LdmtoolVolumePartitions(ctx context.Context, a *rpc.LdmtoolVolumePartitionsArgs) (list []string, err error) {
	v, err := s.ldmVolume(ctx, a.Diskgroup, a.Volume)
	if err != nil {
		return nil, err
	}
	for _, p := range v.Partitions() {
		list = append(list, p.Name)
	}
	return list, nil
}
