package main

import (
	"errors"
	"fmt"
	"path"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

const usageMv = `usage: unboot mv [-n] IMAGE:PATH... PATH

Renames files within an image, or moves them into a directory. The last argument
may be IMAGE:PATH too. Changes the image.

  -n, --no-clobber  keep what exists

  unboot mv disk.img:/etc/motd /etc/motd.old
  unboot mv disk.img:/srv/a disk.img:/srv/b disk.img:/opt
`

func runMv(a *app, args []string) error {
	f := a.flags()
	keep := false
	f.bool(&keep, 'n', "no-clobber")
	args, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(args) < 2 {
		return badUsage("want IMAGE:PATH and where to move it")
	}
	last := args[len(args)-1]
	o, _, err := a.target(args[0], true)
	if err != nil {
		return err
	}
	dest := unboot.CleanPath(last)
	if t, ok := existingTarget(last); ok {
		o2, err := a.open(t.image, true)
		if err != nil {
			return err
		}
		if o2 != o {
			return badUsage("%s and %s are two images (try cp)", quote(args[0]), quote(last))
		}
		dest = t.clean()
	}
	into := isDir(o, dest)
	if len(args) > 2 && !into {
		return fmt.Errorf("%s: %w", o.label(dest), unix.ENOTDIR)
	}
	for _, arg := range args[:len(args)-1] {
		o2, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		if o2 != o {
			return badUsage("%s is in another image (try cp)", quote(arg))
		}
		to := dest
		if into {
			to = path.Join(dest, path.Base(t.clean()))
		}
		if _, err := o.fs.Lstat(to); err == nil && keep {
			continue
		}
		err = rename(o.fs, t.clean(), to)
		if errors.Is(err, unix.EXDEV) {
			err = fmt.Errorf("%w (%s is on another file system: cp and rm)", unix.EXDEV, display(to))
		}
		a.fail(o.about(t.clean(), err))
	}
	return nil
}
