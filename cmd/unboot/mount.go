package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/unboot/unboot"
)

// parseMount reads DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]], as guestfish(1) has it.
func parseMount(s string) (unboot.Mount, error) {
	f := strings.SplitN(s, ":", 4)
	for len(f) < 4 {
		f = append(f, "")
	}
	if f[0] == "" {
		return unboot.Mount{}, badUsage("-m %q: no device (want DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]])", s)
	}
	m := unboot.Mount{Device: f[0], Dir: unboot.CleanPath(f[1]), Type: f[3]}
	// What mount(8) makes flags of is not for the driver.
	var data []string
	for opt := range strings.SplitSeq(f[2], ",") {
		switch opt {
		case "ro":
			m.ReadOnly = true
		case "", "rw", "defaults", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
			"dev", "nodev", "suid", "nosuid", "exec", "noexec", "async", "auto", "noauto", "user", "nouser", "users", "nofail":
		default:
			data = append(data, opt)
		}
	}
	m.Data = strings.Join(data, ",")
	return m, nil
}

// mount mounts what the options -m say, or else what the image has.
func (a *app) mount(o *opened) (*unboot.FS, error) {
	if len(a.opts.mounts) == 0 {
		fsys, err := o.img.MountAuto()
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

// mountError adds what there is to choose from.
func (o *opened) mountError(err error) error {
	if err == nil {
		return nil
	}
	var ambiguous *unboot.AmbiguousError
	switch {
	case errors.As(err, &ambiguous):
		return fmt.Errorf("%s: several file systems, choose by an option:\n%s", quote(o.path), mountChoice(ambiguous.Devices))
	case errors.Is(err, unboot.ErrNotFound):
		return fmt.Errorf("%s: %w; there is:\n%s", quote(o.path), err, mountChoice(o.img.FileSystems()))
	case errors.Is(err, unboot.ErrNoFileSystem) && len(o.img.FileSystems()) > 0: // elsewhere
		return fmt.Errorf("%s: %w; there is:\n%s", quote(o.path), err, mountChoice(o.img.FileSystems()))
	case errors.Is(err, unboot.ErrNoFileSystem):
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
		return fmt.Errorf("%s: %w%s", quote(o.path), unboot.ErrNoFileSystem, hint)
	}
	return fmt.Errorf("%s: %w", quote(o.path), err)
}

// mountChoice lists devices as options.
func mountChoice(devices []*unboot.Device) string {
	t := &table{indent: ""}
	for _, d := range devices {
		info := ""
		typ := ""
		if d.Content != nil {
			typ = d.Content.Type
			if d.Content.Label != "" {
				info = "label " + quote(d.Content.Label)
			}
		}
		if d.Partition != nil && d.Partition.Name != "" {
			info = strings.TrimLeft(info+", partition "+quote(d.Partition.Name), ", ")
		}
		t.row("-m "+d.Name, typ, human(uint64(d.Size)), info)
	}
	return strings.TrimRight(t.String(), "\n")
}
