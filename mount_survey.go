package unboot

import (
	"slices"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/volume/ldm"
	"github.com/unboot/unboot/volume/probe"
)

// A survey is the devices of an image as inspection wants them. What inspection has
// unmounted stays mounted for a while: it is looked at again, or becomes a part of the
// tree of an operating system, and mounting is what takes most of the time.
//
// It implements inspect.SubvolumeSource.
type survey struct {
	img  *Image
	look []*Device // those to mount; see candidates
	opts []MountOption
	kept []keptMount // the oldest first
	subs map[string][]inspect.Subvolume
	errs []error // of mounting
}

var _ inspect.SubvolumeSource = (*survey)(nil)

// maxKept bounds how many file systems are kept: each has memory in the kernel.
const maxKept = 16

// A keptMount is a tree with one mount, of a device with the options that m has.
type keptMount struct {
	m Mount
	f *FS
}

func newSurvey(img *Image, look []*Device, opts []MountOption) *survey {
	return &survey{img: img, look: look, opts: opts, subs: map[string][]inspect.Subvolume{}}
}

// Devices implements inspect.Source: disks, partitions, and then volumes. A disk that is
// divided has nothing to look at, unless it is a CD image, whose partitions have not. What
// lies in a file of a file system is not a device of the machine.
func (s *survey) Devices() []inspect.Device {
	var disks, partitions, volumes []inspect.Device
	for _, d := range s.img.found.Load().devices {
		switch looked := slices.Contains(s.look, d); {
		case d.Kind == KindLoop, d.Kind == KindDisk && !looked && len(d.Children()) > 0:
		case d.Kind == KindDisk:
			disks = append(disks, d.forInspection(looked))
		case d.Kind == KindPartition:
			partitions = append(partitions, d.forInspection(looked))
		default:
			volumes = append(volumes, d.forInspection(looked))
		}
	}
	return slices.Concat(disks, partitions, volumes)
}

// forInspection describes a device. One that holds a file system which is not to be looked
// at has no type, but others keep theirs: swap space, and members of something bigger.
func (d *Device) forInspection(look bool) inspect.Device {
	i := inspect.Device{Device: d.identity(), Name: d.Name, Start: d.start()}
	if c := d.Content; c != nil && (look || c.Usage != probe.Filesystem || c.Devices > 1) {
		i.Type = c.Type
	}
	if v := d.Volume; v != nil {
		if dynamic, ok := v.Info.(*ldm.Volume); ok {
			i.DynamicID = dynamic.GUID
		}
	}
	return i
}

// Mount implements inspect.Source.
func (s *survey) Mount(device, options string) (inspect.Mounted, error) {
	m := s.mountOf(device, options)
	f, err := s.mount(m)
	if err != nil {
		s.errs = append(s.errs, err)
		return nil, err
	}
	return lookMount{lookFS{f}, s, m}, nil
}

// mountOf returns how a device is mounted to be looked at. To mount for writing writes, so
// if there are several to choose from, that is only for the right one.
func (s *survey) mountOf(device, options string) Mount {
	m := Mount{Device: device}.with(s.opts)
	m.Data = joinData(m.Data, options)
	m.ReadOnly = m.ReadOnly || !s.img.writable || len(s.look) > 1
	return m
}

// mount returns a tree with one mount: one that is kept, which it takes, or a new one.
func (s *survey) mount(m Mount) (*FS, error) {
	if f := s.take(m); f != nil {
		return f, nil
	}
	return s.img.mountRoot(m)
}

// take returns a kept tree that is just what m says, or nil. What is kept of the device
// otherwise is in the way of other options, except for btrfs, whose subvolumes have
// options of their own.
func (s *survey) take(m Mount) *FS {
	var found *FS
	s.kept = slices.DeleteFunc(s.kept, func(k keptMount) bool {
		switch {
		case k.m.Device != m.Device:
			return false
		case found == nil && k.m.sameAs(m):
			found = k.f
			return true
		case k.f.Mounts()[0].Type == "btrfs" && k.m.ReadOnly == m.ReadOnly:
			return false
		}
		s.drop(k.f)
		return true
	})
	return found
}

// sameAs reports whether two mounts are the same except for the directory.
func (m Mount) sameAs(o Mount) bool {
	return m.Device == o.Device && m.Type == o.Type && m.Data == o.Data && m.ReadOnly == o.ReadOnly
}

// keep takes a tree that is not needed at the moment.
func (s *survey) keep(m Mount, f *FS) {
	if len(s.kept) == maxKept {
		s.drop(s.kept[0].f)
		s.kept = slices.Delete(s.kept, 0, 1)
	}
	s.kept = append(s.kept, keptMount{m, f})
}

// drop unmounts a tree. Nothing was written to it.
func (s *survey) drop(f *FS) {
	if err := f.Unmount(); err != nil {
		s.errs = append(s.errs, err)
	}
}

// close unmounts what is kept.
func (s *survey) close() {
	for _, k := range slices.Backward(s.kept) {
		s.drop(k.f)
	}
	s.kept = nil
}

// Subvolumes implements inspect.SubvolumeSource.
func (s *survey) Subvolumes(device string) ([]inspect.Subvolume, error) {
	m := s.mountOf(device, "")
	f, err := s.mount(m)
	if err != nil {
		s.errs = append(s.errs, err)
		return nil, err
	}
	defer s.keep(m, f) // it is looked at next
	volumes, err := f.Subvolumes(".")
	var list []inspect.Subvolume
	for _, v := range volumes {
		list = append(list, inspect.Subvolume{ID: v.ID, Path: v.Path, UUID: v.UUID, ParentUUID: v.ParentUUID, Default: v.Default})
	}
	s.subs[device] = list
	return list, err
}

// A lookMount is a tree while inspection looks at it. It implements inspect.Mounted.
type lookMount struct {
	lookFS
	s *survey
	m Mount
}

// Unmount implements inspect.Mounted.
func (l lookMount) Unmount() error {
	l.s.keep(l.m, l.FS)
	return nil
}
