package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// Bounds on what is mounted.
const (
	maxDevices    = 4096
	maxSubvolumes = 512 // of one file system
)

// Root is an operating system on a [Source]: the tree that has its root, and what is
// mounted on it.
type Root struct {
	*System
	// Device is the root's device, as [Mountable] spells it. It names the root
	// in guestfs(3).
	Device string
	// Mounts are where devices are mounted, the root's first, shallow
	// directories before deep ones. This is what files in the image say; a device
	// may not exist, or hold no file system.
	Mounts []Mount
	// Filesystems are the names of all devices that belong to the system, swap
	// space included.
	Filesystems []string
	// Drives are the devices by the letter that Windows has for them ("C").
	Drives map[string]string
}

// Mount is one mounted device.
type Mount struct {
	Dir    string // "/", "/boot/efi"
	Device string // as [Mountable] spells it
	Type   string // as fstab says, "" for the root
	// Options are those of fstab, without subvol= and subvolid=, which are in
	// Device.
	Options []string
}

// Mountpoints returns the devices by the directories on which they are mounted.
func (r *Root) Mountpoints() map[string]string {
	m := make(map[string]string, len(r.Mounts))
	for _, mount := range r.Mounts {
		m[mount.Dir] = mount.Device
	}
	return m
}

// Image finds the operating systems of an image, with the zero [Inspector].
func Image(src Source) ([]*Root, error) { return new(Inspector).Image(src) }

// Image finds the operating systems of an image, in the order of the devices, and reads
// all that a [System] has. It mounts each device in turn, and no two at a time.
//
// An image without a system is not an error, and neither is a device that cannot be
// mounted if there is a system: it is among the Problems of all the systems. If there
// is none, the errors of mounting are returned.
func (in *Inspector) Image(src Source) ([]*Root, error) {
	return in.roots(&machine{src: src})
}

// Find is Image for callers that want to mount a system rather than to describe it. It
// finds the same roots with the same mounts, and reads nothing but what that takes. Of a
// System it fills in the type, and what the first file that says so has of the distribution
// and its version; what only the registry of a Windows knows stays empty.
func (in *Inspector) Find(src Source) ([]*Root, error) {
	return in.roots(&machine{src: src, brief: true})
}

// Find finds the operating systems of an image, with the zero [Inspector].
func Find(src Source) ([]*Root, error) { return new(Inspector).Find(src) }

// roots looks at all devices of a machine.
func (in *Inspector) roots(m *machine) ([]*Root, error) {
	m.devices, m.subvolumes, m.parents = m.src.Devices(), map[string][]Subvolume{}, map[string]map[string]string{}
	if len(m.devices) > maxDevices {
		return nil, fmt.Errorf("inspect: more than %d devices", maxDevices)
	}
	pools := map[string]bool{}
	for i := range m.devices {
		d := &m.devices[i]
		if d.Type == "btrfs" && d.UUID != "" {
			if pools[d.UUID] {
				continue // another device of the same file system
			}
			pools[d.UUID] = true
		}
		if !d.isFAT() {
			m.look(in, d)
		}
	}
	m.lookAtFATs(in)
	m.dropSnapshots()
	var roots []*Root
	for _, u := range m.units {
		if u.role == rootRole || u.role == media {
			roots = append(roots, m.root(u))
		}
	}
	if len(roots) == 0 {
		return nil, errors.Join(m.errs...)
	}
	if m.brief {
		return roots, nil // what is wrong with other devices is no concern of theirs
	}
	for _, r := range roots {
		for _, err := range m.errs[:min(len(m.errs), maxNotes)] {
			r.Problems = append(r.Problems, clean(err.Error()))
		}
	}
	return roots, nil
}

// machine is an inspection of a whole image.
type machine struct {
	src        Source
	brief      bool // nothing is read but what finding and mounting takes
	devices    []Device
	subvolumes map[string][]Subvolume       // by device
	parents    map[string]map[string]string // by device: the UUIDs that subvolumes are snapshots of, by theirs
	units      []*unit
	errs       []error
}

// unit is one tree that was found to be, or to be a part of, a system.
type unit struct {
	device  *Device
	sub     *Subvolume // nil for the default
	options string     // it is mounted with
	system  *System
	role    role
	fstab   []fstab.Entry
	names   fstab.Names // of the volumes that fstab mounts
	merged  bool        // into a root
}

func (u *unit) mountable() string {
	if u.sub == nil {
		return u.device.Name
	}
	return Mountable(u.device.Name, u.sub.Path)
}

// noFileSystem are the types of contents that cannot be mounted.
func noFileSystem(d *Device) bool {
	switch d.Type {
	case "", "unknown", "swap", "swsuspend", "linux_raid_member", "LVM2_member", "LVM1_member", "crypto_LUKS",
		"BitLocker", "cs_fvault2", "bcache", "zfs_member", "drbd", "ddf_raid_member", "isw_raid_member", "VMFS_volume_member",
		"jbd", "xfs_external_log", "DM_verity_hash", "DM_integrity", "apfs":
		return true
	}
	return strings.HasSuffix(d.Type, "_member")
}

// look inspects a device and its subvolumes.
func (m *machine) look(in *Inspector, d *Device) {
	if noFileSystem(d) {
		return
	}
	src, ok := m.src.(SubvolumeSource)
	if d.Type != "btrfs" || !ok {
		m.lookAt(in, &unit{device: d})
		return
	}
	// First, as a source may keep for what follows what it has mounted to list them.
	list, err := src.Subvolumes(d.Name)
	m.lookAt(in, &unit{device: d})
	if err != nil {
		m.errs = append(m.errs, fmt.Errorf("list subvolumes of %s: %w", d.Name, err))
		return
	}
	m.subvolumes[d.Name] = list // all of them, as an fstab may name any
	m.parents[d.Name] = make(map[string]string, len(list))
	for i := range list {
		m.parents[d.Name][list[i].UUID] = list[i].ParentUUID
	}
	if len(list) > maxSubvolumes {
		m.errs = append(m.errs, fmt.Errorf("%s has more than %d subvolumes", d.Name, maxSubvolumes))
		list = list[:maxSubvolumes]
	}
	// Of a family of snapshots the default stays: the others, of which there may be many,
	// need not be mounted.
	done := ""
	if u := m.last(); u != nil && u.device == d && u.role == rootRole {
		done = m.ancestor(d, m.subvolume(u))
	}
	for i := range list {
		s := &list[i]
		if s.Default || ofContainer(s.Path) || done != "" && m.ancestor(d, s) == done {
			continue
		}
		m.lookAt(in, &unit{device: d, sub: s})
	}
}

// containers are where programs that run containers keep their trees.
var containers = []string{
	"docker/btrfs/subvolumes/", "containers/storage/btrfs/subvolumes/",
	"var/lib/machines/", "var/lib/portables/", "var/lib/lxc/", "lxd/storage-pools/", "incus/storage-pools/",
}

// last returns the unit that was found last, or nil.
func (m *machine) last() *unit {
	if len(m.units) == 0 {
		return nil
	}
	return m.units[len(m.units)-1]
}

// ofContainer reports whether a subvolume is a container, or a layer of its image: it has
// a system in it, but no machine's.
func ofContainer(path string) bool {
	return slices.ContainsFunc(containers, func(dir string) bool { return strings.Contains("/"+path, "/"+dir) })
}

// lookAt mounts a unit and keeps it if there is something in it.
func (m *machine) lookAt(in *Inspector, u *unit) {
	if u.sub != nil {
		u.options = u.sub.Option()
	}
	fsys, err := m.src.Mount(u.device.Name, u.options)
	if err != nil && u.sub == nil && u.options != "" {
		fsys, err = m.src.Mount(u.device.Name, "") // whatever the options are good for
	}
	if err != nil {
		m.errs = append(m.errs, err)
		return
	}
	defer func() {
		if err := fsys.Unmount(); err != nil {
			m.errs = append(m.errs, err)
		}
	}()
	t := &tree{FS: fsys}
	u.system, u.role = in.find(t)
	if u.role == noRole {
		if t.err != nil {
			m.errs = append(m.errs, fmt.Errorf("%s: %w", u.mountable(), t.err))
		}
		return
	}
	if m.brief {
		u.system.rest = nil
	}
	u.system.complete(t)
	if u.role == rootRole {
		entries, problems, err := fstab.Parse(bytes.NewReader(t.read(strings.TrimPrefix(u.system.Deployment+"/etc/fstab", "/"))))
		u.fstab = entries
		u.readNames(t)
		for _, p := range append(problems, err) {
			if p != nil && len(u.system.Problems) < maxNotes {
				u.system.Problems = append(u.system.Problems, clean(p.Error()))
			}
		}
	}
	m.units = append(m.units, u)
}

// readNames reads what a root calls its volumes, if its fstab mounts any.
func (u *unit) readNames(t *tree) {
	etc := strings.TrimPrefix(u.system.Deployment+"/etc/", "/")
	for i := range u.fstab {
		switch path := u.fstab[i].Spec.Value; {
		case strings.HasPrefix(path, "/dev/mapper/") && u.names.Crypt == nil:
			u.names.AddCrypttab(string(t.read(etc + "crypttab")))
		case strings.HasPrefix(path, "/dev/md") && u.names.Arrays == nil:
			u.names.AddMdadm(string(t.read(etc + "mdadm.conf")))
			u.names.AddMdadm(string(t.read(etc + "mdadm/mdadm.conf")))
		}
	}
}

// root makes the result of a root's unit.
func (m *machine) root(u *unit) *Root {
	r := &Root{System: u.system, Device: u.mountable()}
	r.Mounts = []Mount{{Dir: "/", Device: r.Device}}
	r.Filesystems = []string{r.Device}
	m.followFstab(r, u)
	m.mergeUsr(r, u)
	m.mapDrives(r)
	slices.SortStableFunc(r.Mounts, func(a, b Mount) int {
		return strings.Count(strings.TrimSuffix(a.Dir, "/"), "/") - strings.Count(strings.TrimSuffix(b.Dir, "/"), "/")
	})
	return r
}

func (r *Root) problem(format string, args ...any) {
	if len(r.Problems) < maxNotes {
		r.Problems = append(r.Problems, clean(fmt.Sprintf(format, args...)))
	}
}

// add adds a device to the system's file systems.
func (r *Root) add(device string) {
	if !slices.Contains(r.Filesystems, device) {
		r.Filesystems = append(r.Filesystems, device)
	}
}

// mapDrives finds the devices of drive letters.
func (m *machine) mapDrives(r *Root) {
	if r.Windows == nil {
		return
	}
	r.Drives = map[string]string{}
	for _, drive := range r.Windows.Drives {
		for i := range m.devices {
			if d := &m.devices[i]; drive.means(d) {
				r.Drives[drive.Letter] = d.Name
				r.add(d.Name)
				break
			}
		}
	}
}

// means reports whether the letter is the device's.
func (d *Drive) means(dev *Device) bool {
	if d.PartUUID != "" {
		return strings.EqualFold(d.PartUUID, dev.PartUUID) || d.isDynamic(dev.DynamicID)
	}
	id, _, ok := strings.Cut(dev.PartUUID, "-")
	return ok && len(dev.PartUUID) < 16 && strings.EqualFold(id, d.DiskID) && dev.Start == d.Offset
}

// isDynamic reports whether the letter is that of a volume of dynamic disks. Windows writes
// down the GUID as it does a partition's; that the disks have it in the same order of bytes
// is not documented, so either is accepted.
func (d *Drive) isDynamic(id string) bool {
	swapped := ""
	for _, group := range [][]int{{6, 4, 2, 0}, {11, 9}, {16, 14}} {
		for _, i := range group {
			if i+2 <= len(d.PartUUID) {
				swapped += d.PartUUID[i : i+2]
			}
		}
		swapped += "-"
	}
	if len(d.PartUUID) > 19 {
		swapped += d.PartUUID[19:]
	}
	return id != "" && (strings.EqualFold(id, d.PartUUID) || strings.EqualFold(id, swapped))
}
