package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/probe"
)

var sparsifyCommand = command{
	name:     "sparsify",
	short:    "give back the room that files no longer take",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Has each file system on the disk discard what is free of it, also those on logical volumes
and, with their keys, on encrypted ones: the image then takes up no room for that. What is
in the files does not change. A file system that cannot do so is named and left as it is.

To have the image without holes in its own file, or in another format, copy it afterwards:
see "unboot help convert".
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		s := &sparsifier{}
		f.string(&s.device, "", "device", "DEVICE", "only the file system on this device").kind = kindDevice
		return s.run
	},
	examples: []string{"unboot sparsify disk.qcow2"},
	image:    true,
}

type sparsifier struct{ device string }

func (s *sparsifier) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE")
	}
	o, err := a.open(args[0], true)
	if err != nil {
		return err
	}
	devices := o.img.Devices()
	if s.device != "" {
		d, err := o.img.Device(s.device)
		if err != nil {
			return err
		}
		devices = []*unboot.Device{d}
	}
	found := false
	for _, d := range devices {
		if a.interrupted() {
			return nil
		}
		c := d.Content
		if c == nil || c.Usage != probe.Filesystem || len(d.Children()) > 0 {
			continue
		}
		if pool := d.Pool(); s.device == "" && len(pool) > 0 && pool[0] != d {
			continue // the file system has had its turn
		}
		found = true
		n, err := s.trim(o.img, d)
		switch {
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EROFS):
			a.warn(fmt.Errorf("%s: a %s cannot discard what is free", quote(d.Name), printable(c.Type)))
		case err != nil:
			a.fail(fmt.Errorf("%s: %w", quote(d.Name), reason(err)))
		default:
			fmt.Fprintf(a.out, "%s: %s discarded\n", quote(d.Name), human(n))
		}
	}
	if !found {
		return fmt.Errorf("%s: there is no file system that could be mounted", quote(disk.Display(args[0])))
	}
	return nil
}

func (s *sparsifier) trim(img *unboot.Image, d *unboot.Device) (uint64, error) {
	f, err := img.Mount(d.Name)
	if err != nil {
		return 0, err
	}
	n, err := f.Trim()
	return n, errors.Join(err, f.Close())
}
