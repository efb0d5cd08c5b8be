package ova

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/vmdk"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head is a package whose first member is a
// descriptor, as the specification wants it, or is a descriptor itself.
func Match(head, _ []byte) bool {
	if isDescriptor(head) {
		return true
	}
	name, _, _ := bytes.Cut(head[:100], []byte{0})
	return string(head[257:262]) == "ustar" && strings.EqualFold(path.Ext(string(name)), ".ovf")
}

// Open is [OpenPart] of the only disk.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return OpenPart(d, path, "", refer)
}

// OpenPart opens the disk of a name, or the only one. The image closes d, but not if it
// fails.
func OpenPart(d disk.Device, path, name string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	m := &readonly.Image{Path: path}
	list, names, err := contents(d)
	if err != nil {
		return nil, m.Wrap("open", err)
	}
	if name, err = readonly.Choose(names, name, ErrDisks); err != nil {
		return nil, m.Wrap("open", err)
	}
	if list == nil {
		below, err := below.Open([]disk.Reference{reference(name)}, path, refer)
		if err != nil {
			return nil, m.Wrap("open", err)
		}
		return &appliance{below, d}, nil
	}
	part, err := find(list, name, d)
	if err != nil {
		return nil, m.Wrap("open", err)
	}
	image, err := vmdk.New(part, path, vmdk.Options{})
	if err != nil {
		return nil, m.Wrap("open", fmt.Errorf("%q: %w", name, inner(err)))
	}
	return image, nil
}

// inner takes away the path of an error.
func inner(err error) error {
	if u := errors.Unwrap(err); u != nil {
		return u
	}
	return err
}

// Stat returns the size of the only disk in bytes, and the file that a descriptor names for
// it. The size is not known of a disk in another file.
func Stat(d disk.Device) (int64, []disk.Reference, error) {
	list, names, err := contents(d)
	if err != nil {
		return 0, nil, err
	}
	if list == nil {
		var refs []disk.Reference
		for _, name := range names {
			refs = append(refs, reference(name))
		}
		return 0, refs, nil
	}
	name, err := readonly.Choose(names, "", ErrDisks)
	if err != nil {
		return 0, nil, err
	}
	part, err := find(list, name, d)
	if err != nil {
		return 0, nil, err
	}
	size, _, err := vmdk.Stat(part)
	return size, nil, err
}

func reference(name string) disk.Reference {
	return disk.Reference{Role: disk.DataFile, Name: readonly.Beside(name), Format: "vmdk"}
}

// contents returns the members of a package, or nil if it is only a descriptor, and the names
// of the disks.
func contents(d disk.Device) (list []member, names []string, err error) {
	head := make([]byte, min(d.Size(), disk.MinSize))
	if err := damage.ReadFull(d, head, 0, "header"); err != nil {
		return nil, nil, err
	}
	if isDescriptor(head) {
		if d.Size() > maxDescriptor {
			return nil, nil, damage.Errorf("a descriptor of %d bytes", d.Size())
		}
		b := make([]byte, d.Size())
		if err := damage.ReadFull(d, b, 0, "descriptor"); err != nil {
			return nil, nil, err
		}
		names, err = parseDescriptor(b)
		return nil, names, err
	}
	list, b, err := readTar(d)
	if err != nil {
		return nil, nil, err
	}
	if b == nil {
		return nil, nil, damage.Errorf("the archive has no descriptor (.ovf)")
	}
	names, err = parseDescriptor(b)
	return list, names, err
}

// find returns a member of a package as a device.
func find(list []member, name string, d disk.Device) (disk.Device, error) {
	for _, m := range list {
		if m.name == path.Clean(name) {
			return &section{d, io.NewSectionReader(d, m.at, m.size)}, nil
		}
	}
	return nil, damage.Errorf("the disk %q is not in the archive", name)
}

// A section is a member as a device.
type section struct {
	whole disk.Device
	*io.SectionReader
}

func (s *section) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (s *section) Flush() error                       { return nil }
func (s *section) Close() error                       { return s.whole.Close() }

// An appliance is a disk beside its descriptor.
type appliance struct {
	disk.Device
	descriptor disk.Device
}

// Unwrap makes it a [disk.Wrapper].
func (a *appliance) Unwrap() disk.Device { return a.Device }

// Close closes both.
func (a *appliance) Close() error { return errors.Join(a.Device.Close(), a.descriptor.Close()) }
