package unboot

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// MountAuto mounts what the user most likely means: the only file system of the
// image, or the operating system as [Image.MountOS] does. If there are several
// file systems and not exactly one with an operating system, the error is an
// *[AmbiguousError]; if there is none, it wraps [ErrNoFileSystem].
func (img *Image) MountAuto(opts ...MountOption) (*FS, error) {
	list := img.candidates()
	if len(list) > 1 {
		return img.mountOS(list, opts)
	}
	if len(list) == 0 {
		return nil, img.noFileSystem()
	}
	// Even a single one may have its operating system in a subvolume.
	if list[0].Content.Type == "btrfs" {
		if f, err := img.mountOS(list, opts); err == nil {
			return f, nil
		}
	}
	return img.Mount(list[0].Name, opts...)
}

// MountOS looks for the one file system that holds an operating system, and
// mounts it and the others that its fstab(5) names (/boot, /boot/efi, /usr,
// /home and so on) into one tree. Swap, network file systems, and entries
// whose device is not in the image are left out; [FS.Problems] names those, and
// what could not be mounted. On btrfs, the subvolume that fstab or the
// distributions' customs (@, root, @rootfs) name becomes the root.
//
// If there is not exactly one, the error is an *[AmbiguousError], or wraps
// [ErrNoFileSystem].
func (img *Image) MountOS(opts ...MountOption) (*FS, error) {
	list := img.candidates()
	if len(list) == 0 {
		return nil, img.noFileSystem()
	}
	return img.mountOS(list, opts)
}

// candidates returns the file systems of the image, each once: a CD image may be seen as
// the whole disk and as a partition, a btrfs on all its devices. What lies inside a CD
// image is there for firmware and other systems: it is mounted only by name, as is what
// lies in a file of a file system.
func (img *Image) candidates() []*Device {
	var list []*Device
	seen := map[[2]string]bool{}
	for _, d := range img.FileSystems() {
		id := [2]string{d.Content.Type, d.Content.UUID}
		if d.Kind == KindLoop || d.Content.UUID != "" && seen[id] && sharesUUID(d) {
			continue
		}
		if slices.ContainsFunc(list, func(o *Device) bool { return o.standsFor(d) }) {
			continue
		}
		seen[id] = true
		list = append(list, d)
	}
	return list
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

// noFileSystem says what there is in place of a file system.
func (img *Image) noFileSystem() error {
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
	if len(other) == 0 {
		return fmt.Errorf("%s: %w", img.Path(), ErrNoFileSystem)
	}
	return fmt.Errorf("%s: %w, only %s", img.Path(), ErrNoFileSystem, strings.Join(other, ", "))
}

// neverRoot are types that no operating system which this package knows has
// its root on.
var neverRoot = map[string]bool{"vfat": true, "exfat": true, "hfs": true}

// mountOS is MountOS with the devices to look at.
func (img *Image) mountOS(list []*Device, opts []MountOption) (*FS, error) {
	roots := slices.DeleteFunc(slices.Clone(list), func(d *Device) bool { return neverRoot[d.Content.Type] })
	root, err := img.findOS(roots, opts)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, &AmbiguousError{Image: img.Path(), Devices: list}
	}
	root.followFstab()
	return root, nil
}

// findOS mounts the one of the devices that holds an operating system. It
// returns nil if none or several do.
func (img *Image) findOS(list []*Device, opts []MountOption) (root *FS, err error) {
	var errs []error
	for _, d := range list {
		m := Mount{Device: d.Name}.with(opts)
		// To mount for writing writes. That is only for the right one.
		m.ReadOnly = m.ReadOnly || len(list) > 1
		f, err := img.mountIfOS(m)
		switch {
		case err != nil:
			errs = append(errs, err)
		case f == nil:
		case root != nil:
			return nil, errors.Join(f.Unmount(), root.Unmount())
		default:
			root = f
		}
	}
	if root == nil {
		// What could not be mounted may be what was looked for.
		return nil, errors.Join(errs...)
	}
	want := Mount{}.with(opts)
	if m := root.Mounts()[0]; img.writable && m.ReadOnly && !want.ReadOnly {
		if err := root.Unmount(); err != nil {
			return nil, err
		}
		m.ReadOnly = false
		m.Type = want.Type
		return img.mountRoot(m)
	}
	return root, nil
}

// rootSubvolumes are what distributions call the subvolume of the root on
// btrfs: Ubuntu and openSUSE, Fedora, Debian.
var rootSubvolumes = []string{"@", "root", "@rootfs", "@root", "rootfs"}

// mountIfOS mounts a file system, or the subvolume of it that holds an
// operating system. Without one it returns nil.
func (img *Image) mountIfOS(m Mount) (*FS, error) {
	f, err := img.mountRoot(m)
	if err != nil {
		return nil, err
	}
	if f.hasOS(".") {
		return f, nil
	}
	if f.Mounts()[0].Type == "btrfs" {
		for _, sub := range rootSubvolumes {
			if !f.hasOS(sub) {
				continue
			}
			if err := f.Unmount(); err != nil {
				return nil, err
			}
			m.Data = joinData(m.Data, "subvol="+sub)
			return img.mountRoot(m)
		}
	}
	return nil, f.Unmount()
}

// hasOS reports whether an operating system is installed below a directory.
func (f *FS) hasOS(dir string) bool {
	for _, mark := range []string{
		"etc/os-release", "usr/lib/os-release", "etc/fstab", // Linux
		"Windows/System32", "WINDOWS/system32", "WINNT/system32",
		"etc/master.passwd",                      // BSD
		"System/Library/CoreServices/Finder.app", // macOS
	} {
		if _, err := f.Lstat(path.Join(dir, mark)); err == nil {
			return true
		}
	}
	return false
}
