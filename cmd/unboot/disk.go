package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// A diskOpener opens disks as they are, without mounting anything: what is in an image,
// whatever its format, or with device, a device inside it.
type diskOpener struct {
	format, device string
	writable       bool
	// meter is told of what counts the traffic of an image elsewhere. It may be nil.
	meter func(disk.Meter)
	// opened is told of the files of this host that an image consists of. It may be nil.
	opened func(*os.File)
}

// formatOption declares the option for an image whose format is not to be detected.
func (o *diskOpener) formatOption(f *flagSet) {
	f.string(&o.format, "f", "format", "FORMAT", "format of the image, if it should not be detected").among(source.Names()...)
}

// deviceOption declares the option for a device inside an image.
func (o *diskOpener) deviceOption(f *flagSet, help string) {
	f.string(&o.device, "", "device", "DEVICE", help).kind = kindDevice
}

// check returns an error for options that exclude each other.
func (o *diskOpener) check(a *app) error {
	switch {
	case o.device == "" && len(a.opts.mounts) > 0:
		return badUsage("nothing is mounted (--device?)")
	case o.device != "" && o.format != "":
		return badUsage("--format is not for --device")
	case o.device == "" && len(a.opts.add) > 0:
		return badUsage("--add is for --device")
	}
	return nil
}

// open opens what an argument names. The error begins with its name.
func (o *diskOpener) open(a *app, image string) (disk.Device, error) {
	d, err := o.bytes(a, image)
	if err != nil {
		return nil, openError(disk.Display(image), err)
	}
	return d, nil
}

func (o *diskOpener) bytes(a *app, image string) (disk.Device, error) {
	if o.device != "" {
		return o.inside(a, image)
	}
	a.awaitWriters(image, o.writable)
	if o.writable {
		a.willWrite()
	}
	s := a.sourceOptions(image)
	s.Writable, s.Format, s.Opened = o.writable, o.format, o.opened
	if also := s.Meter; o.meter != nil {
		s.Meter = func(m disk.Meter) {
			o.meter(m)
			if also != nil {
				also(m)
			}
		}
	}
	return sources().Open(a.life, image, s)
}

// errItself is of an image below which it would be itself: nothing could be read of it.
var errItself = errors.New("the image would be its own backing file")

// newBelow returns the rule for what a file names that is to be the backing file of an
// image, and an error if the file is the image. The image may not exist yet.
func (a *app) newBelow(image, backing string) (func(disk.Reference) error, error) {
	at, none := os.Stat(image)
	itself := func(path string) bool {
		st, err := os.Stat(path)
		return none == nil && err == nil && os.SameFile(at, st)
	}
	if itself(source.Resolve(image, backing)) {
		return nil, errItself
	}
	return func(ref disk.Reference) error {
		switch {
		case itself(ref.Path):
			return errItself
		case !a.opts.backing:
			return disk.ErrNotAllowed
		}
		return nil
	}, nil
}

// sourceOptions translates the options of the command line into those of package source.
func (a *app) sourceOptions(image string) source.Options {
	o := source.Options{CacheDir: a.opts.cacheDir, CacheSize: a.opts.cacheSize, Snapshot: a.opts.snapshot, Unlock: a.cipher()}
	if a.opts.backing {
		o.Allow = func(disk.Reference) error { return nil }
	}
	if a.opts.stats {
		o.Meter = func(m disk.Meter) {
			a.atEnd = append(a.atEnd, func() { printTraffic(image, m.Traffic()) })
		}
	}
	return o
}

// printTraffic answers --stats.
func printTraffic(image string, t disk.Traffic) {
	fmt.Fprintf(os.Stderr, "%s: %d requests, %d bytes received, %d bytes sent\n", quote(disk.Display(image)), t.Requests, t.Received, t.Sent)
}

// inside opens a device of an image through the kernel.
func (o *diskOpener) inside(a *app, image string) (disk.Device, error) {
	img, err := a.open(image, o.writable)
	if err != nil {
		return nil, err
	}
	d, err := img.img.Device(o.device)
	if err != nil {
		return nil, err
	}
	flag := os.O_RDONLY
	if o.writable {
		flag = os.O_RDWR | os.O_EXCL
	}
	f, err := d.Open(flag)
	if err != nil {
		return nil, err
	}
	return innerDevice{f, d.Size}, nil
}

// An innerDevice is a device of an image, as a disk.
type innerDevice struct {
	*unboot.File
	size int64
}

func (d innerDevice) Size() int64 { return d.size }

func (d innerDevice) Flush() error { return d.Sync() }
