package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect/fstab"
)

// parseMount reads DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]], as guestfish(1) has it.
func parseMount(s string) (unboot.Mount, error) {
	f := strings.SplitN(s, ":", 4)
	for len(f) < 4 {
		f = append(f, "")
	}
	if f[0] == "" {
		return unboot.Mount{}, badUsage("-m %q: no device (expected DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]])", s)
	}
	// mount(8) translates some options into flags, which the driver would reject.
	o := fstab.ParseOptions(f[2])
	if len(o.Elsewhere) > 0 {
		return unboot.Mount{}, badUsage("-m %q: the option %s is not for mounting a device", s, o.Elsewhere[0])
	}
	return unboot.Mount{
		Device: f[0], Dir: unboot.CleanPath(f[1]), Type: f[3], ReadOnly: o.ReadOnly, Data: strings.Join(o.Driver, ","),
	}, nil
}

// mount mounts what the options -m say, or else what is found in the image: the only file
// system, or the operating system with its fstab.
func (a *app) mount(o *opened) (*unboot.FS, error) {
	fsys, err := a.tryMount(o)
	if err != nil && a.unlock(o) {
		fsys, err = a.tryMount(o)
	}
	return fsys, err
}

func (a *app) tryMount(o *opened) (*unboot.FS, error) {
	if len(a.opts.mounts) == 0 {
		fsys, err := o.img.MountAuto()
		if err == nil && o.write {
			makeWritable(fsys)
		}
		return fsys, o.mountError(err)
	}
	var mounts []unboot.Mount
	for _, s := range a.opts.mounts {
		m, err := parseMount(s)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, m)
	}
	fsys, err := o.img.MountTree(mounts)
	return fsys, o.mountError(err)
}

// makeWritable makes those mounts of a tree writable that its fstab has read-only. The
// fstab is meant for the guest when it boots, and not for editing its image; guestfish -i
// ignores it likewise. File systems that cannot be written to stay read-only: an error
// comes when something is written there, if ever.
func makeWritable(fsys *unboot.FS) {
	mounts := fsys.Mounts()
	// If even the root could not be mounted for writing, the image as a whole cannot.
	if mounts[0].ReadOnly {
		return
	}
	for _, m := range mounts[1:] {
		if m.ReadOnly {
			_ = fsys.Remount(m.Dir, false)
		}
	}
}

// mountError adds the file systems to choose from, in the form of options that can be
// copied to the command line.
func (o *opened) mountError(err error) error {
	if err == nil {
		return nil
	}
	var ambiguous *unboot.AmbiguousError
	switch {
	case errors.Is(err, unboot.ErrLocked):
		if !strings.HasPrefix(err.Error(), o.path+": ") {
			err = fmt.Errorf("%s: %w", quote(o.path), err)
		}
		return fmt.Errorf("%w%s", err, o.keyHint())
	case errors.As(err, &ambiguous):
		// Only here, as it mounts them all: the names of the systems help with the
		// choice.
		held := systems(o.img)
		return fmt.Errorf("%s: several file systems found; select one with -m:\n%s%s", quote(o.path),
			mountChoice(ambiguous.Devices, held), mountExample(ambiguous.Devices, held))
	case errors.Is(err, unboot.ErrNotFound) && len(o.img.FileSystems()) == 0:
		return fmt.Errorf("%s: %w; no device has a file system%s", quote(o.path), err, o.lockedHint())
	case errors.Is(err, unboot.ErrNotFound):
		return fmt.Errorf("%s: %w; file systems found:\n%s%s", quote(o.path), err, mountChoice(o.img.FileSystems(), nil), o.lockedHint())
	case errors.Is(err, unboot.ErrNoFileSystem) && len(o.img.FileSystems()) > 0: // on another device than the one named
		return fmt.Errorf("%s: %w; file systems found:\n%s", quote(o.path), err, mountChoice(o.img.FileSystems(), nil))
	case errors.Is(err, unboot.ErrNoFileSystem):
		// What the image holds instead may say why: a swap area, or a member of a RAID
		// that lacks the others.
		hint := ""
		for _, d := range o.img.Devices() {
			if d.Content != nil && d.Content.Type != "" {
				hint += fmt.Sprintf("\n%s holds %s", d.Name, d.Content.Type)
				if h := o.img.Hint(d); h != "" {
					hint += " (" + h + ")"
				}
			} else if h := o.img.Hint(d); h != "" {
				hint += fmt.Sprintf("\n%s: %s", d.Name, h)
			}
		}
		for _, v := range newInactive(o.img) {
			hint += "\n" + v.String()
		}
		return fmt.Errorf("%s: %w%s", quote(o.path), unboot.ErrNoFileSystem, hint)
	}
	return fmt.Errorf("%s: %w", quote(o.path), err)
}

// mountExample returns an example of mounting several file systems into one tree: the first
// that has an operating system, and another one.
func mountExample(devices []*unboot.Device, systems map[*unboot.Device]string) string {
	root := max(0, slices.IndexFunc(devices, func(d *unboot.Device) bool { return systems[d] != "" }))
	other := slices.IndexFunc(devices, func(d *unboot.Device) bool { return d != devices[root] })
	if other < 0 {
		return ""
	}
	return fmt.Sprintf("\nor several, each but the first with its mount point: -m %s -m %s:/boot", devices[root].Name, devices[other].Name)
}

// mountChoice lists devices as options, with the operating systems that they hold.
func mountChoice(devices []*unboot.Device, systems map[*unboot.Device]string) string {
	t := &table{indent: ""}
	for _, d := range devices {
		var info []string
		if s := systems[d]; s != "" {
			info = append(info, s)
		}
		typ := ""
		if d.Content != nil {
			typ = d.Content.Type
			if d.Content.Label != "" {
				info = append(info, "label "+quote(d.Content.Label))
			}
		}
		if p := d.Partition; p != nil && p.Name != "" {
			info = append(info, "partition "+quote(p.Name))
		}
		if p := d.Partition; p != nil && p.TypeName != "" {
			info = append(info, "type "+p.TypeName)
		}
		t.row("-m "+d.Name, typ, human(uint64(d.Size)), strings.Join(info, ", "))
	}
	return strings.TrimRight(t.String(), "\n")
}
