package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
	"github.com/unboot/unboot/internal/devname"
)

// followFstab adds what a root's fstab mounts. Entries that are mounted by hand only
// (noauto) count: Gentoo has /boot among them.
func (m *machine) followFstab(r *Root, u *unit) {
	meanings := m.table(u).Resolve()
	for i := range u.fstab {
		e := &u.fstab[i]
		var d *Device
		if n := meanings[i].Device; n >= 0 {
			d = &m.devices[n]
		}
		if isSwap(e) {
			if d != nil {
				r.add(d.Name)
			}
			continue
		}
		if !isMounted(r.Type, e) || e.IsRoot() { // that is where this fstab is
			continue
		}
		mount := Mount{Dir: path.Clean(e.File), Type: e.Type}
		why := meanings[i].Why
		switch {
		case d != nil:
			mount.Device, why = m.mountable(d, e)
			if why == "" && m.same(u, mount.Device) && !u.saysSame(e) {
				why = "that is the root here"
			}
		case why != "":
		default:
			if e.Spec.Kind == fstab.Path && !m.has(e.Spec.Value) {
				mount.Device = e.Spec.Value // guestfs(3) says that it may not exist
			}
			if !e.NoAuto() { // what is mounted by hand may come and go
				r.problem("%s is not mounted: %s: no such device in the image", e.File, e.Spec)
			}
		}
		if why != "" {
			r.problem("%s is not mounted: %s: %s", e.File, e.Spec, why)
			continue
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

// isSwap reports whether an entry is swap space, which BSD says by an option.
func isSwap(e *fstab.Entry) bool {
	return e.IsSwap() || e.Type == "sw" || slices.Contains(e.Options, "sw")
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
		return strings.HasPrefix(e.File, "/") && (e.Spec.Kind != fstab.Other || e.Spec.IsBSD()) &&
			e.Spec.Kind != fstab.Remote && e.Spec.Kind != fstab.File && !strings.HasPrefix(e.Spec.Value, "/dev/cd") &&
			!strings.HasPrefix(e.Spec.Value, "/dev/acd")
	}
	return e.IsReal()
}

// table is a root's fstab and the devices that it may mean.
func (m *machine) table(u *unit) *fstab.Table {
	t := &fstab.Table{Entries: u.fstab, Names: u.names, Root: -1, Fits: func(e *fstab.Entry, i int) bool { return m.devices[i].fits(isSwap(e)) }}
	for i := range m.devices {
		d := &m.devices[i]
		id := d.Device
		id.Path, id.Pool = d.Name, d.pool()
		t.Devices = append(t.Devices, id)
		if d == u.device {
			t.Root = i
		}
	}
	return t
}

// pool returns the identity of a file system that may have several devices, or "".
func (d *Device) pool() string {
	if d.Type == "btrfs" {
		return d.UUID
	}
	return ""
}

// fits reports whether a device holds the kind of thing that is looked for. One of
// unknown contents may hold anything.
func (d *Device) fits(swap bool) bool {
	if d.Type == "" || d.Type == "unknown" {
		return true
	}
	return swap == (d.Type == "swap" || d.Type == "swsuspend") && (swap || !noFileSystem(d))
}

// has reports whether a program that mounts a device of that name would get one of these:
// the names of other drivers stand for the same disks.
func (m *machine) has(name string) bool {
	name = devname.Canonical(name)
	return slices.ContainsFunc(m.devices, func(d Device) bool { return d.Name == name })
}

// saysSame reports whether an entry names its device just as the root's entry does: then
// that is what the system mounts there, too.
func (u *unit) saysSame(e *fstab.Entry) bool {
	return slices.ContainsFunc(u.fstab, func(root fstab.Entry) bool { return root.IsRoot() && root.Spec == e.Spec })
}

// mountable returns what an entry mounts of a device: all of it, or a subvolume. why says
// what speaks against it. A number of a subvolume that there is no more, as it is left by
// each roll-back to a snapshot, is no other subvolume, and not all of the file system.
func (m *machine) mountable(d *Device, e *fstab.Entry) (mountable, why string) {
	name := e.Subvolume()
	if name == "" {
		return d.Name, ""
	}
	list := m.subvolumesOf(d)
	id, byID := e.SubvolumeID()
	if byID {
		sub, ok := subvolumeByID(list, id)
		switch byPath := !strings.HasPrefix(name, "id:"); {
		case !ok && (!byPath || len(list) > 0):
			return "", fmt.Sprintf("there is no subvolume with the number %d", id)
		case ok && byPath && sub.Path != name:
			return "", fmt.Sprintf("the subvolume %s does not have the number %d", name, id)
		case ok:
			name = sub.Path
		}
	}
	if name != "/" {
		return Mountable(d.Name, name), ""
	}
	if slices.ContainsFunc(list, func(s Subvolume) bool { return s.Default }) {
		return mountablePrefix + d.Name + "/", "" // the device alone stands for the default
	}
	return d.Name, ""
}

// subvolumesOf returns the subvolumes of the btrfs on a device, which are known by the
// first of its devices.
func (m *machine) subvolumesOf(d *Device) []Subvolume {
	for i := range m.devices {
		if o := &m.devices[i]; o.pool() != "" && o.pool() == d.pool() {
			return m.subvolumes[o.Name]
		}
	}
	return m.subvolumes[d.Name]
}

// topLevel is the number of what all the subvolumes of a btrfs are in.
const topLevel = 5

func subvolumeByID(list []Subvolume, id uint64) (Subvolume, bool) {
	if id == topLevel {
		return Subvolume{ID: topLevel, Path: "/"}, true
	}
	i := slices.IndexFunc(list, func(s Subvolume) bool { return s.ID == id })
	if i < 0 {
		return Subvolume{}, false
	}
	return list[i], true
}
