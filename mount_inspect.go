package unboot

import (
	"errors"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/fstab"
)

// An Inspection is the operating systems that were found in an image. It keeps some file
// systems mounted until it is closed, so that later calls are quick.
type Inspection struct {
	// Roots are the systems, in the order of their devices. Media that install a system
	// or run one are among them, with the format [inspect.Installer].
	Roots []*inspect.Root
	src   *survey
}

// Inspect looks for operating systems on all devices of an image. find is a method of an
// [inspect.Inspector], which says how much is read:
//
//	in := &inspect.Inspector{OpenHive: registry.Open}
//	systems, err := img.Inspect(in.Image)
//
// The options are those to mount the devices with; on a writable image with more than one
// file system, devices are mounted read-only for inspection. The error says, if no system
// was found, what could not be mounted or read. The Inspection is to be closed in any case.
func (img *Image) Inspect(find func(inspect.Source) ([]*inspect.Root, error), opts ...MountOption) (*Inspection, error) {
	if err := img.err(); err != nil {
		return &Inspection{src: newSurvey(img, nil, nil)}, err
	}
	return img.inspect(img.candidates(), find, opts)
}

func (img *Image) inspect(look []*Device, find func(inspect.Source) ([]*inspect.Root, error), opts []MountOption) (*Inspection, error) {
	src := newSurvey(img, look, opts)
	roots, err := find(src)
	return &Inspection{roots, src}, err
}

// Installed returns the systems that are installed, and could boot.
func (in *Inspection) Installed() []*inspect.Root {
	return slices.DeleteFunc(slices.Clone(in.Roots), func(r *inspect.Root) bool { return r.Format == inspect.Installer })
}

// Close unmounts what the inspection has mounted, except for the trees that Mount has returned.
func (in *Inspection) Close() { in.src.close() }

// FS returns the file system on a device, as Inspect mounts it. It is unmounted by Close,
// or a later call of a method of the Inspection.
func (in *Inspection) FS(d *Device) (*FS, error) {
	m := in.src.mountOf(d.Name, "")
	f, err := in.src.mount(m)
	if err == nil {
		in.src.keep(m, f)
	}
	return f, err
}

// Mount mounts a root and what belongs to it into one tree. What cannot be mounted, or is
// not in the image, is left out, and [FS.Problems] names it. The options are those given to
// Inspect for the root, and those of the system's fstab for the others, as far as they
// change what is seen.
func (in *Inspection) Mount(r *inspect.Root) (*FS, error) {
	src := in.src
	m := src.mountOf(src.parseMountable(r.Device))
	m.ReadOnly = Mount{}.with(src.opts).ReadOnly || !src.img.writable
	if !m.ReadOnly && len(src.look) > 1 {
		src.close() // all of it is mounted for reading
	}
	f, err := src.mount(m)
	if err != nil {
		return nil, err
	}
	for _, p := range r.Problems {
		f.problem("%s", p)
	}
	for _, mount := range r.Mounts {
		if mount.Dir != "/" {
			src.mountInto(f, mount)
		}
	}
	return f, nil
}

// parseMountable returns the device that a mountable of package inspect names, and the
// option for its subvolume. The device is "" if it is not in the image.
func (s *survey) parseMountable(name string) (device, option string) {
	device, path := inspect.ParseMountable(name, func(name string) bool {
		return slices.ContainsFunc(s.img.found.Load().devices, func(d *Device) bool { return d.Name == name })
	})
	if path == "" {
		return device, ""
	}
	for _, v := range s.subs[device] {
		if v.Path == path {
			return device, v.Option()
		}
	}
	return device, "subvol=" + path
}

// mountInto mounts one of a system's file systems into the tree of its root.
func (s *survey) mountInto(f *FS, mount inspect.Mount) {
	device, option := s.parseMountable(mount.Device)
	if device == "" {
		return // inspection has said so
	}
	o := fstab.SplitOptions(mount.Options)
	m := Mount{
		Device: device, Dir: CleanPath(mount.Dir), ReadOnly: o.ReadOnly || f.ReadOnly(),
		Data: joinData(option, strings.Join(o.Visible(), ",")),
	}
	var err error
	if kept := s.take(m); kept != nil {
		err = f.adopt(kept, m.Dir)
	} else {
		err = f.mountWhole(m)
	}
	if err != nil {
		f.problem("/%s is not mounted: %v", m.Dir, err)
	}
}

// noSystem is the error for an image without exactly one system.
func (in *Inspection) noSystem(err error) error {
	// The system that was looked for may be on a device that could not be mounted.
	if err != nil && len(in.Roots) == 0 {
		if len(in.src.errs) > 0 {
			err = errors.Join(in.src.errs...)
		}
		return err
	}
	return &AmbiguousError{Image: in.src.img.Path(), Devices: in.src.look}
}
