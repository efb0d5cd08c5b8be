package main

import (
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/part"
)

var createCommand = command{
	name:     "create",
	short:    "make an image",
	synopsis: []string{"[OPTION...] NEW SIZE", "[OPTION...] --backing FILE NEW [SIZE]"},
	brief:    "NEW SIZE",
	long: `Makes an image of SIZE bytes, or of a number followed by K, M, G, T, P or E, that has nothing
in it but zeros. With --backing, it has what FILE has until it is written to: the name is
taken relative to the directory of NEW, and stands in it as it is given. If FILE names
other files itself, --backing-files lets it.

With --partition, it has a partition table (GPT) with these, in their order and from
multiples of 1 MiB on. A partition without a size takes what is left. Types are GUIDs or
words: bios, boot, home, linux, luks, lvm, raid, root, swap, uefi and windows. No file
systems are made: "unboot tool" runs the programs for that.
`,
	args: []kind{kindHost, kindNone},
	options: func(f *flagSet) runFunc {
		c := &creator{}
		c.image.flags(f)
		f.string(&c.image.options.Backing, "b", "backing", "FILE", "image that has what is not written to NEW").kind = kindHost
		f.string(&c.image.options.BackingFormat, "F", "backing-format", "FORMAT", "its format, if it should not be detected")
		f.integer(&c.image.options.Version, "", "version", "N", "version of the format: of qcow2, 2 or 3")
		f.value("", "partition", "NAME:SIZE[:TYPE]", "make a partition, and repeat it for more", func(v string) error {
			s, err := parsePartition(v)
			c.partitions = append(c.partitions, s)
			return err
		})
		return c.run
	},
	examples: []string{"unboot create disk.qcow2 10G", "unboot create --partition efi:512M:uefi --partition root::root disk.qcow2 10G", "unboot create --backing base.img overlay.qcow2"},
	image:    true,
}

type creator struct {
	image      newImage
	partitions []part.Spec
}

func (c *creator) run(a *app, args []string) error {
	o := &c.image.options
	switch {
	case len(args) < 1 || len(args) > 2 || len(args) == 1 && o.Backing == "":
		return badUsage("expected NEW and SIZE")
	case len(args) == 2:
		var err error
		if o.Size, err = parseSize(args[1]); err != nil {
			return badUsage("%q: %v", args[1], err)
		}
		if o.Size < disk.MinSize {
			return badUsage("%q: a disk has at least %d bytes", args[1], disk.MinSize)
		}
	}
	if o.Backing != "" && len(c.partitions) > 0 {
		return badUsage("what is on FILE would be lost: --partition is for an empty disk")
	}
	if err := (&diskOpener{}).check(a); err != nil {
		return err
	}
	if err := c.image.create(a, args[0]); err != nil {
		return err
	}
	var err error
	if len(c.partitions) > 0 {
		if err = partition(c.image.Device, c.partitions); err != nil {
			err = fmt.Errorf("%s: %w", quote(args[0]), err)
		}
	}
	return c.image.finish(err)
}
