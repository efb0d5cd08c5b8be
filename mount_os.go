package unboot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/lvm"
)

// MountAuto mounts what the user most likely means: the only file system of the
// image, or the operating system as [Image.MountOS] does. If there are several
// file systems and not exactly one with an operating system, the error is an
// *[AmbiguousError]; if there is none, it wraps [ErrNoFileSystem].
func (img *Image) MountAuto(opts ...MountOption) (*FS, error) {
	list := img.candidates()
	locked := img.locked()
	switch {
	case len(list) == 0:
		return nil, img.noFileSystem()
	case len(list) == 1 && list[0].Content.Type != "btrfs" && locked == nil:
		return img.Mount(list[0].Name, opts...)
	}
	f, in, err := img.mountOS(list, opts)
	defer in.Close()
	if err != nil && locked != nil {
		// What is wanted is in there, rather than on the partition for booting beside it.
		return nil, fmt.Errorf("%w; what is not encrypted holds no operating system", locked)
	}
	if err != nil && len(list) == 1 {
		// A btrfs without one system in a subvolume is still the only file system.
		return in.src.mount(in.src.mountOf(list[0].Name, ""))
	}
	return f, err
}

// MountOS looks for the one operating system of the image that is installed, as package
// inspect does, and mounts its root and the others that belong to it (/boot, /boot/efi,
// /usr, /home and so on) into one tree. Swap, network file systems, and entries
// whose device is not in the image are left out; [FS.Problems] names those, and
// what could not be mounted. On btrfs, the root may be a subvolume.
//
// If there is not exactly one, the error is an *[AmbiguousError], or wraps
// [ErrNoFileSystem].
func (img *Image) MountOS(opts ...MountOption) (*FS, error) {
	list := img.candidates()
	if len(list) == 0 {
		return nil, img.noFileSystem()
	}
	f, in, err := img.mountOS(list, opts)
	in.Close()
	return f, err
}

// locked returns an error that names the encrypted devices which no key has opened, or nil.
// What is only not verified can be read.
func (img *Image) locked() error {
	var errs []error
	for _, d := range img.found.Load().devices {
		if d.Locked != nil && d.isHidden() {
			errs = append(errs, &LockedError{d.Name, d.Locked})
		}
	}
	return errors.Join(errs...)
}

// isHidden reports whether what is on a locked device cannot be read. A root hash only proves
// that it has not been changed.
func (d *Device) isHidden() bool {
	return !onlyBy(d.Locked, volume.RootHash)
}

// mountOS is MountOS with the devices to look at. The Inspection is to be closed.
func (img *Image) mountOS(list []*Device, opts []MountOption) (*FS, *Inspection, error) {
	in, err := img.inspect(list, inspect.Find, opts)
	roots := in.Installed()
	if len(roots) != 1 {
		return nil, in, in.noSystem(err)
	}
	f, err := in.Mount(roots[0])
	return f, in, err
}

// candidates returns the file systems of the image, each once: a CD image may be seen as
// the whole disk and as a partition, a btrfs on all its devices. What lies inside a CD
// image is there for firmware and other systems: it is mounted only by name, as is what
// lies in a file of a file system, and a snapshot of another volume.
func (img *Image) candidates() []*Device {
	var list []*Device
	seen := map[[2]string]bool{}
	for _, d := range img.FileSystems() {
		id := [2]string{d.Content.Type, d.Content.UUID}
		if d.Kind == KindLoop || d.Content.UUID != "" && seen[id] && sharesUUID(d) {
			continue
		}
		if slices.ContainsFunc(list, func(o *Device) bool { return o.standsFor(d) }) || img.isSnapshot(d) {
			continue
		}
		seen[id] = true
		list = append(list, d)
	}
	return list
}

// isSnapshot reports whether a logical volume is a snapshot of another one that is there and
// has the same file system: an earlier state of it, or a try.
func (img *Image) isSnapshot(d *Device) bool {
	lv := d.logical()
	if lv == nil || lv.Origin() == nil {
		return false
	}
	return slices.ContainsFunc(img.FileSystems(), func(o *Device) bool {
		origin := o.logical()
		return origin != nil && origin.UUID == lv.Origin().UUID && o.Content.UUID == d.Content.UUID
	})
}

// logical returns the logical volume that a device is, or nil.
func (d *Device) logical() *lvm.LV {
	if d.Volume == nil {
		return nil
	}
	lv, _ := d.Volume.Info.(*lvm.LV)
	return lv
}

// standsFor reports whether another file system of the same disk is d itself, or a CD
// image that d lies inside of. A FAT whose boot sector is a partition table, too, as
// mkfs.fat and mformat make it, is a partition that begins with its disk.
func (d *Device) standsFor(other *Device) bool {
	disk, _ := d.graph().disk(d)
	if o, _ := other.graph().disk(other); disk == nil || o != disk {
		return false
	}
	if d.start() == other.start() && d.Content.Type == other.Content.Type {
		return true
	}
	return d.Kind == KindDisk && besidePartitions(d.Content) && other.start()+other.Size <= d.Content.Size
}

func sharesUUID(d *Device) bool {
	return d.Content.Type == "iso9660" || d.Content.Type == "udf" || d.Content.Devices > 1
}

// noFileSystem says what there is instead of a file system.
func (img *Image) noFileSystem() error {
	if err := img.locked(); err != nil {
		return fmt.Errorf("%s: %w, and %w", img.Path(), ErrNoFileSystem, err)
	}
	var other []string
	for _, d := range img.found.Load().devices {
		hint := img.Hint(d)
		switch {
		case d.Content == nil && hint == "":
			continue
		case hint != "":
			hint = ": " + hint
		}
		other = append(other, d.String()+hint)
	}
	for _, v := range img.Inactive() {
		other = append(other, fmt.Sprintf("%s: %s", v.label(), v.reason()))
	}
	if len(other) == 0 {
		return fmt.Errorf("%s: %w", img.Path(), ErrNoFileSystem)
	}
	return fmt.Errorf("%s: %w, only %s", img.Path(), ErrNoFileSystem, strings.Join(other, ", "))
}
