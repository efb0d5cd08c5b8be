package main

import (
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

var rebaseCommand = command{
	name:     "rebase",
	short:    "give an overlay another backing file",
	synopsis: []string{"[OPTION...] --backing FILE IMAGE"},
	brief:    "-b FILE IMAGE",
	long: `Gives IMAGE another backing file, whose name is taken relative to the directory of IMAGE
and stands in it as it is given; with an empty name, it has none afterwards. What is on
the disk stays the same: where the new backing file has something else than the old one,
that is written into IMAGE first, for which the old one is read: if you trust the image,
--backing-files lets it name that.

With --unsafe, only the name is changed, as for a backing file that was moved. Neither file
is opened then.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		r := &rebaser{}
		f.value("b", "backing", "FILE", "the new backing file", func(v string) error {
			r.backing, r.given = v, true
			return nil
		}).kind = kindHost
		f.string(&r.backingFormat, "F", "backing-format", "FORMAT", "its format, if it should not be detected")
		f.bool(&r.unsafe, "u", "unsafe", "change nothing but the name")
		r.image.formatOption(f)
		return r.run
	},
	examples: []string{"unboot rebase --backing-files --backing new.qcow2 overlay.qcow2", "unboot rebase --backing-files --backing '' overlay.qcow2"},
	image:    true,
}

type rebaser struct {
	image                  diskOpener
	backing, backingFormat string
	given, unsafe          bool
}

func (r *rebaser) run(a *app, args []string) error {
	switch {
	case len(args) != 1 || !r.given:
		return badUsage("expected --backing FILE and one IMAGE")
	case r.unsafe && r.backing != "" && r.backingFormat == "":
		return badUsage("--unsafe needs --backing-format, as the file is not looked at")
	}
	if err := r.image.check(a); err != nil {
		return err
	}
	name := disk.Display(args[0])
	err := r.rebase(a, args[0])
	if err != nil {
		return openError(name, err)
	}
	return nil
}

func (r *rebaser) rebase(a *app, image string) error {
	allow, err := a.newBelow(image, r.backing)
	if err != nil {
		return err
	}
	a.willWrite()
	o := a.sourceOptions(image)
	o.Writable, o.Format, o.NoBacking = true, r.image.format, r.unsafe
	top, err := sources().Open(a.life, image, o)
	if err != nil {
		return err
	}
	err = r.change(a, image, top, allow)
	if e := top.Close(); err == nil {
		err = e
	}
	return err
}

func (r *rebaser) change(a *app, image string, top disk.Device, allow func(disk.Reference) error) error {
	re, ok := disk.As[disk.Rebaser](top)
	if !ok {
		return fmt.Errorf("images in this format do not change their backing file here")
	}
	if !r.unsafe {
		below, err := r.open(a, image, allow)
		if err != nil {
			return err
		}
		defer below.Close()
		p := a.startProgress(top.Size(), false)
		defer p.end()
		if err := disk.Keep(a.ctx, top, below, func(n int64) { p.bytes.Add(n) }); err != nil {
			return err
		}
	}
	return re.SetBacking(r.backing, r.backingFormat)
}

// open opens the new backing file, and finds out its format.
func (r *rebaser) open(a *app, image string, allow func(disk.Reference) error) (disk.Device, error) {
	if r.backing == "" {
		return disk.Empty{}, nil
	}
	path := source.Resolve(image, r.backing)
	if path == "" {
		return nil, fmt.Errorf("the backing file %s is not a file of this host", quote(r.backing))
	}
	if r.backingFormat == "" {
		var err error
		if r.backingFormat, err = source.Detect(a.life, path); err != nil {
			return nil, err
		}
	}
	o := a.sourceOptions(path)
	o.Format, o.Allow = r.backingFormat, allow
	return sources().Open(a.life, path, o)
}
