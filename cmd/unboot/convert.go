package main

import (
	"fmt"
	"io"
	"os"

	"github.com/unboot/unboot/disk"
)

var convertCommand = command{
	name:     "convert",
	short:    "copy a disk into another format",
	synopsis: []string{"[OPTION...] IMAGE NEW"},
	brief:    "IMAGE NEW",
	long: `Copies the disk that is in IMAGE, in whatever format and with what its backing files have,
into a new image. What is zeros takes up no room. NEW is on stable storage when it is
there: if anything fails, or is interrupted, there is none.

With --device, it copies a device of the image instead, such as a logical volume or what
is in an encrypted partition. With --into, NEW is an image or block device that exists and
is large enough, and is written to as it is. If NEW is -, the disk goes to standard output,
raw.

With --resume, what fails or is interrupted leaves NEW.unfinished and NEW.unfinished.json, and
the same command goes on there, if IMAGE and the files that it names have not changed since. A
server that cannot tell whether it has, as one of NBD, is trusted; a block device is refused.
`,
	args: []kind{kindImage, kindHost},
	options: func(f *flagSet) runFunc {
		c := &converter{}
		c.from.formatOption(f)
		c.from.deviceOption(f, "copy this device of the image, such as /dev/vg/root")
		c.to.flags(f)
		f.bool(&c.compress, "c", "compress", "compress what is copied, where the format can do so")
		f.bool(&c.into, "n", "into", "write into NEW, which exists")
		f.bool(&c.resume, "", "resume", "keep what is unfinished, and go on with what was kept")
		return c.run
	},
	examples: []string{"unboot convert disk.vmdk disk.qcow2", "unboot convert -c --compression zstd disk.img disk.qcow2",
		"unboot convert --device /dev/vg/root disk.qcow2 root.img", "unboot convert disk.qcow2 - | zstd > disk.img.zst"},
	image: true,
}

type converter struct {
	from           diskOpener
	to             newImage
	compress, into bool
	resume         bool
}

func (c *converter) run(a *app, args []string) error {
	if len(args) != 2 {
		return badUsage("expected IMAGE and NEW")
	}
	if err := c.from.check(a); err != nil {
		return err
	}
	if c.into && (c.to.force || c.to.options != disk.CreateOptions{} || c.to.encrypt || c.compress) {
		return badUsage("--into takes NEW as it is")
	}
	out := args[1] == "-"
	switch {
	case out && (c.into || c.resume || c.to.formatOf(args[1]) != "raw" || c.to.options != disk.CreateOptions{} || c.to.encrypt || c.compress):
		return badUsage("standard output takes a raw disk, without options")
	case out && isTerminal(os.Stdout):
		return badUsage("will not write a disk to a terminal")
	case c.resume:
		return c.goOn(a, args)
	}
	src, err := c.from.open(a, args[0])
	if err != nil {
		return err
	}
	defer src.Close()
	if out {
		return c.stream(a, src, args[0])
	}
	if c.into {
		return c.overwrite(a, src, args[0], args[1])
	}
	c.options(src, args[1])
	if err := c.to.create(a, args[1]); err != nil {
		return err
	}
	return c.to.finish(c.copy(a, src, c.to.Device, args, disk.CopyOptions{Blank: true, Compress: c.compress}))
}

// options completes those of the new image.
func (c *converter) options(src disk.Device, to string) {
	c.to.options.Size = src.Size()
	if c.compress && c.to.options.Kind == "" && c.to.formatOf(to) == "vmdk" {
		c.to.options.Kind = "streamOptimized"
	}
}

// overwrite copies into what is there.
func (c *converter) overwrite(a *app, src disk.Device, from, to string) error {
	into := diskOpener{format: c.to.format, writable: true}
	dst, err := into.open(a, to)
	if err != nil {
		return err
	}
	err = c.copy(a, src, dst, []string{from, to}, disk.CopyOptions{})
	if e := dst.Close(); err == nil && e != nil {
		err = fmt.Errorf("%s: %w", quote(disk.Display(to)), e)
	}
	return err
}

// stream writes a disk to standard output.
func (c *converter) stream(a *app, src disk.Device, from string) error {
	w, err := a.stdout()
	if err != nil {
		return err
	}
	p := a.startProgress(src.Size(), false)
	defer p.end()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < src.Size(); off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), src.Size()-off)]
		err := a.ctx.Err()
		if err == nil {
			_, err = io.ReadFull(io.NewSectionReader(src, off, int64(len(buf))), buf)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quote(disk.Display(from)), err)
		}
		if _, err := w.Write(buf); err != nil {
			return err // it names standard output
		}
		p.bytes.Add(int64(len(buf)))
	}
	return nil
}

// copy copies a disk and shows how far it is. The first signal ends it.
func (c *converter) copy(a *app, src, dst disk.Device, args []string, o disk.CopyOptions) error {
	p := a.startProgress(src.Size(), false)
	defer p.end()
	p.bytes.Add(o.Start)
	also := o.Progress
	o.Progress = func(n int64) {
		p.bytes.Add(n)
		if also != nil {
			also(n)
		}
	}
	if err := disk.Copy(a.ctx, dst, src, o); err != nil {
		return fmt.Errorf("%s to %s: %w", quote(disk.Display(args[0])), quote(disk.Display(args[1])), err)
	}
	return nil
}
