package main

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

var commitCommand = command{
	name:     "commit",
	short:    "write an overlay into its backing file",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Writes what IMAGE has itself into its backing file, which then is what IMAGE was. IMAGE
stays as it is, reads as before, and is no longer needed. With --empty, it forgets what it
has when that is on stable storage in the backing file, and can be written to again. Other
images with the same backing file become wrong. The image names the file that is written
to: --backing-files says that you trust it.

If it is interrupted, the backing file has a part of it, and IMAGE still reads as before:
it can be repeated.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		c := &committer{}
		c.formatOption(f)
		f.bool(&c.empty, "", "empty", "have nothing in IMAGE afterwards")
		return func(a *app, args []string) error { return a.commit(c, args) }
	},
	examples: []string{"unboot commit --backing-files overlay.qcow2"},
	image:    true,
}

type committer struct {
	diskOpener
	empty bool
}

func (a *app) commit(c *committer, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE")
	}
	if err := c.check(a); err != nil {
		return err
	}
	name := quote(disk.Display(args[0]))
	ref, err := a.backingFile(args[0], c.format)
	if err != nil {
		return err
	}
	if !a.opts.backing { // whoever made the image has chosen what is written to
		return openError(disk.Display(args[0]), &disk.NotAllowedError{Reference: *ref})
	}
	if disk.Await(a.ctx, args[0], a.patience) == disk.OpenForWriting {
		return fmt.Errorf("%s: %w", name, disk.ErrInUse)
	}
	c.writable = c.empty
	top, err := c.open(a, args[0])
	if err != nil {
		return err
	}
	e, ok := disk.As[disk.Emptier](top)
	if c.empty && !ok {
		err = fmt.Errorf("%s: images in this format cannot be emptied", name)
	} else if err = a.commitInto(ref, top, name); err == nil && c.empty {
		err = errors.Join(e.Empty(), top.Flush())
	}
	if e := top.Close(); err == nil && e != nil {
		err = fmt.Errorf("%s: %w", name, e)
	}
	return err
}

// commitInto opens the backing file and writes to it.
func (a *app) commitInto(ref *disk.Reference, top disk.Device, name string) error {
	below, err := (&diskOpener{format: ref.Format, writable: true}).open(a, ref.Path)
	if err != nil {
		return err
	}
	err = a.commitTo(below, top)
	if e := below.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("%s to %s: %w", name, quote(ref.Path), err)
	}
	return nil
}

// backingFile returns the backing file that an image names.
func (a *app) backingFile(image, format string) (*disk.Reference, error) {
	info, err := sources().Stat(a.life, image, source.Options{Format: format})
	if err != nil {
		return nil, openError(disk.Display(image), err)
	}
	for _, ref := range info.References {
		if ref.Role != disk.BackingFile {
			continue
		}
		if ref.Path == "" {
			return nil, fmt.Errorf("%s: the backing file %s is not a file of this host", quote(disk.Display(image)), quote(ref.Name))
		}
		return &ref, nil
	}
	return nil, fmt.Errorf("%s: it has no backing file", quote(disk.Display(image)))
}

func (a *app) commitTo(below, top disk.Device) error {
	if below.Size() < top.Size() {
		r, ok := disk.As[disk.Resizer](below)
		if !ok {
			return errors.New("the backing file is smaller, and cannot grow")
		}
		if err := r.Resize(top.Size()); err != nil {
			return err
		}
	}
	p := a.startProgress(top.Size(), false)
	defer p.end()
	return disk.Copy(a.ctx, below, top, disk.CopyOptions{Top: true, Progress: func(n int64) { p.bytes.Add(n) }})
}
