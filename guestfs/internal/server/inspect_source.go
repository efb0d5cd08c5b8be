package server

import (
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/fstab"
	fsctl "github.com/unboot/unboot/internal/fsctl/btrfs"
)

// An inspectSource is the devices of an image as inspection wants them. It implements
// inspect.SubvolumeSource.
type inspectSource struct {
	img  *unboot.Image
	held []int // directories that keep a btrfs mounted, which is slow to mount again
}

var _ inspect.SubvolumeSource = (*inspectSource)(nil)

func newInspectSource(img *unboot.Image) *inspectSource { return &inspectSource{img: img} }

// close gives up what was kept mounted.
func (src *inspectSource) close() {
	for _, fd := range src.held {
		src.img.Kernel().CloseFd(fd)
	}
	src.held = nil
}

// Devices implements inspect.Source. They are those that list_filesystems has, in its
// order: disks, partitions, volumes. What lies in a file of a file system is not a device of
// the machine.
func (src *inspectSource) Devices() []inspect.Device {
	var disks, partitions, volumes []inspect.Device
	index := map[string]int{}
	for i, d := range src.img.Disks() {
		index[d.Name] = i
	}
	for _, d := range src.img.Devices() {
		switch d.Kind {
		case unboot.KindDisk:
			if len(partitionsOf(d)) == 0 {
				disks = append(disks, inspectDevice(d, index[d.Name]))
			}
		case unboot.KindPartition:
			if !slices.Contains(withoutFileSystem, d.Partition.Type) {
				partitions = append(partitions, inspectDevice(d, index[wholeOf(d).Name]))
			}
		case unboot.KindLoop:
		default:
			volumes = append(volumes, inspectDevice(d, -1))
		}
	}
	return slices.Concat(disks, partitions, volumes)
}

// inspectDevice returns a device on the disk with an index; -1 for a volume.
func inspectDevice(d *unboot.Device, disk int) inspect.Device {
	i := inspect.Device{Name: d.Name}
	if c := d.Content; c != nil {
		i.Type, i.UUID, i.Label = c.Type, c.UUID, c.Label
	}
	i.Disk = disk
	if p := d.Partition; p != nil {
		i.Start, i.Partition, i.PartUUID, i.PartLabel = p.Start, p.Number, p.UUID, p.Name
	}
	if disk < 0 {
		i.VG, i.LV, _ = fstab.ParseSpec(d.Name).LVM()
		i.Mapped = mappedName(d.Name, i.VG, i.LV)
	}
	return i
}

// mappedName returns the name that a volume has in /dev/mapper, where a hyphen in the
// names of LVM is doubled.
func mappedName(device, vg, lv string) string {
	if name, ok := strings.CutPrefix(device, "/dev/mapper/"); ok {
		return name
	}
	if vg == "" {
		return strings.TrimPrefix(device, "/dev/")
	}
	double := strings.NewReplacer("-", "--")
	return double.Replace(vg) + "-" + double.Replace(lv)
}

// Mount implements inspect.Source.
func (src *inspectSource) Mount(device, options string) (inspect.Mounted, error) {
	f, err := src.img.Mount(device, unboot.ReadOnly(), unboot.Data(options))
	if err != nil {
		return nil, err
	}
	return inspectTree{f}, nil
}

// Subvolumes implements inspect.SubvolumeSource. The file system stays mounted, without a
// place, until the end of the inspection.
func (src *inspectSource) Subvolumes(device string) ([]inspect.Subvolume, error) {
	fd, err := src.hold(device)
	if err != nil {
		return nil, err
	}
	b := fsctl.FS{View: &src.img.Kernel().View, FD: fd}
	volumes, err := b.Subvolumes()
	if err != nil || len(volumes) == 0 {
		return nil, err
	}
	def, err := b.Default()
	if err != nil {
		return nil, err
	}
	uuids, err := b.UUIDs()
	if err != nil {
		return nil, err
	}
	list := make([]inspect.Subvolume, 0, len(volumes))
	for _, v := range volumes {
		u := uuids[v.ID]
		list = append(list, inspect.Subvolume{
			ID: v.ID, Path: v.Path, UUID: u.Own.String(), ParentUUID: u.Parent.String(), Default: v.ID == def,
		})
	}
	return list, nil
}

// hold mounts a btrfs and keeps it.
func (src *inspectSource) hold(device string) (fd int, err error) {
	m := detached{k: src.img.Kernel(), device: device, fstype: "btrfs", options: btrfsOptions(src.img, device)}
	if fd, err = m.mount(true); err == nil {
		src.held = append(src.held, fd)
	}
	return fd, err
}
