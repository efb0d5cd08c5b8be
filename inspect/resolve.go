package inspect

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// followFstab adds what a root's fstab mounts. Entries that are mounted by hand only
// (noauto) count: Gentoo has /boot among them.
func (m *machine) followFstab(r *Root, u *unit) {
	names := diskNames(u.fstab)
	for i := range u.fstab {
		e := &u.fstab[i]
		if e.Type == "swap" || e.Type == "sw" || slices.Contains(e.Options, "sw") {
			if d := m.meant(e, names, true); d != nil {
				r.add(d.Name)
			}
			continue
		}
		if !isMounted(r.Type, e) {
			continue
		}
		mount := Mount{Dir: path.Clean(e.File), Type: e.Type}
		if mount.Dir == "/" {
			continue // it is where this fstab is
		}
		d := m.meant(e, names, false)
		switch {
		case d != nil:
			mount.Device = Mountable(d.Name, m.subvolumePath(d, e.Subvolume()))
		case strings.HasPrefix(e.Spec.Value, "/dev/") && e.Spec.Kind == fstab.Path:
			mount.Device = e.Spec.Value // guestfs(3) says that it may not exist
			fallthrough
		default:
			r.problem("%s is to be mounted on %s and is not there", e.Spec, e.File)
		}
		if mount.Device == "" {
			continue
		}
		for _, o := range e.Options {
			if !strings.HasPrefix(o, "subvol=") && !strings.HasPrefix(o, "subvolid=") {
				mount.Options = append(mount.Options, o)
			}
		}
		r.setMount(mount)
		r.add(mount.Device)
	}
}

// setMount adds a mount, which covers another one on the same directory.
func (r *Root) setMount(mount Mount) {
	for i := range r.Mounts {
		if r.Mounts[i].Dir == mount.Dir {
			r.Mounts[i] = mount
			return
		}
	}
	r.Mounts = append(r.Mounts, mount)
}

// isMounted reports whether an entry mounts a device of the image. BSD has names for
// devices that are no paths, and types of its own.
func isMounted(system Type, e *fstab.Entry) bool {
	switch system {
	case FreeBSD, NetBSD, OpenBSD, Minix, Hurd:
		switch e.Type {
		case "procfs", "fdescfs", "kernfs", "ptyfs", "linprocfs", "linsysfs", "mfs", "nullfs", "unionfs", "cd9660", "nfs":
			return false
		}
		return strings.HasPrefix(e.File, "/") && (e.Spec.Kind != fstab.Other || bsdName(e.Spec.Value)) &&
			e.Spec.Kind != fstab.Remote && e.Spec.Kind != fstab.File && !strings.HasPrefix(e.Spec.Value, "/dev/cd") &&
			!strings.HasPrefix(e.Spec.Value, "/dev/acd")
	}
	return e.IsReal()
}

// meant returns the device that an entry names, or nil. What names an identity is
// certain. A name by position is taken as such if there is no such device, and then
// as one of the disks that the fstab names: hdc is the second one of a machine with
// hda and hdc.
func (m *machine) meant(e *fstab.Entry, names []diskName, swap bool) *Device {
	spec, disk, partition, ok := position(e.Spec)
	if spec.Certain() {
		for i := range m.devices {
			if d := &m.devices[i]; spec.Matches(d.Device) {
				return d
			}
		}
		return nil
	}
	for i := range m.devices {
		if d := &m.devices[i]; d.Name == spec.Value && m.fits(d, swap) {
			return d
		}
	}
	if !ok {
		return nil
	}
	if d := m.at(disk.index, partition, swap); d != nil {
		return d
	}
	if rank := slices.Index(names, disk); rank >= 0 && rank != disk.index && disk.index >= m.disks() {
		return m.at(rank, partition, swap)
	}
	return nil
}

// disks returns how many disks there are.
func (m *machine) disks() (n int) {
	for i := range m.devices {
		if d := &m.devices[i]; d.Mapped == "" && d.LV == "" {
			n = max(n, d.Disk+1)
		}
	}
	return n
}

// at returns the device at a position.
func (m *machine) at(disk, partition int, swap bool) *Device {
	for i := range m.devices {
		d := &m.devices[i]
		if d.Disk == disk && d.Partition == partition && d.Mapped == "" && d.LV == "" && m.fits(d, swap) {
			return d
		}
	}
	return nil
}

// fits reports whether a device holds the kind of thing that is looked for. One of
// unknown contents may hold anything.
func (m *machine) fits(d *Device, swap bool) bool {
	if d.Type == "" || d.Type == "unknown" {
		return true
	}
	return swap == (d.Type == "swap" || d.Type == "swsuspend") && (swap || !noFileSystem(d))
}

// subvolumePath returns the path of the subvolume that an entry of a fstab names: by
// path, or by "id:" and a number.
func (m *machine) subvolumePath(d *Device, name string) string {
	id, ok := strings.CutPrefix(name, "id:")
	if !ok {
		return name
	}
	n, _ := strconv.ParseUint(id, 10, 64)
	for _, s := range m.subvolumes[d.Name] {
		if s.ID == n {
			return s.Path
		}
	}
	return ""
}
