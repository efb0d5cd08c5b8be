package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

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
	dest, ok := existingTarget(last)
	if !ok {
		dest = target{arg: last, image: o.path, path: last}
	} else {
		o2, err := a.open(dest.image, true)
		if err != nil {
			return err
		}
		if o2 != o {
			return badUsage("%s and %s are two images (try cp)", quote(args[0]), quote(last))
		}
	}
	into := isDir(o, dest.clean())
	if len(args) > 2 && !into {
		return o.aboutTarget(dest, unix.ENOTDIR)
	}
	for _, arg := range args[:len(args)-1] {
		o2, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		if o2 != o {
			return badUsage("%s is in another image (try cp)", quote(arg))
		}
		if err := a.move(o, t, dest, into, keep); err != nil {
			a.fail(err)
		}
	}
	return nil
}

// move moves one file to a name, or into a directory.
func (a *app) move(o *opened, t, dest target, into, keep bool) error {
	from, err := o.named(t)
	if err != nil {
		return o.aboutTarget(t, err)
	}
	to := dest.clean()
	if into {
		to = path.Join(to, path.Base(from))
	} else if demandsDir(dest.path) {
		// Only a directory can be given such a name, if it is one.
		st, err := o.fs.Lstat(from)
		if err != nil {
			return o.aboutTarget(t, err)
		}
		if err := o.noDir(dest); !st.IsDir() || endsInDots(dest.path) || err != errNoDir {
			return o.aboutTarget(dest, err)
		}
	}
	if strings.HasPrefix(to, from+"/") {
		return fmt.Errorf("%s: will not move it into itself, %s", o.label(from), quote(display(to)))
	}
	if _, err := o.fs.Lstat(to); err == nil && keep {
		return nil
	}
	err = rename(o.fs, from, to)
	if errors.Is(err, unix.EXDEV) {
		err = fmt.Errorf("%w (%s is on another file system: cp and rm)", unix.EXDEV, display(to))
	}
	return o.about(from, err)
}
