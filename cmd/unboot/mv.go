package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

var mvCommand = command{
	name:     "mv",
	short:    "rename files",
	synopsis: []string{"[OPTION...] IMAGE:PATH... PATH"},
	brief:    "IMAGE:PATH... PATH",
	long: `Renames files within an image, or moves them into a directory. The last argument may
be IMAGE:PATH too. Changes the image.
`,
	args: []kind{kindPath, kindInside},
	options: func(f *flagSet) runFunc {
		m := &mover{}
		f.bool(&m.keep, "n", "no-clobber", "keep files that exist")
		return m.run
	},
	examples: []string{
		"unboot mv disk.img:/etc/motd /etc/motd.old",
		"unboot mv disk.img:/srv/a disk.img:/srv/b disk.img:/opt",
	},
	image: true,
}

// A mover has the options of mv.
type mover struct{ keep bool }

func (m *mover) run(a *app, args []string) error {
	if len(args) < 2 {
		return badUsage("expected IMAGE:PATH and where to move it")
	}
	last := args[len(args)-1]
	o, _, err := a.target(args[0], true)
	if err != nil {
		return err
	}
	// A path in the image may also be that of a file on the host, as /etc/fstab is. Only
	// what has a path after a colon, or is the very image, can mean another image.
	dest, ok := existingTarget(last)
	if !ok || dest.path == "" && dest.image != o.name() {
		dest = target{arg: last, image: o.name(), path: last}
	} else {
		o2, err := a.open(dest.image, true)
		if err != nil {
			return err
		}
		if o2 != o {
			return badUsage("%s and %s are two images (try cp)", quote(args[0]), quote(last))
		}
	}
	// Asked once, before anything moves: the first file must not change what the
	// destination means to the second.
	into := isDir(o, dest.clean())
	if len(args) > 2 && !into {
		return o.aboutTarget(dest, unix.ENOTDIR)
	}
	for _, arg := range args[:len(args)-1] {
		// An image is opened once, so the same image is the same pointer.
		o2, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		if o2 != o {
			return badUsage("%s is in another image (try cp)", quote(arg))
		}
		if err := m.move(o, t, dest, into); err != nil {
			a.fail(err)
		}
	}
	return nil
}

// move moves one file to a name, or into a directory.
func (m *mover) move(o *opened, t, dest target, into bool) error {
	from, err := o.named(t)
	if err != nil {
		return o.aboutTarget(t, err)
	}
	to := dest.clean()
	if into {
		to = path.Join(to, path.Base(from))
	} else if demandsDir(dest.path) {
		// A name with a slash at its end can be given to a directory only.
		st, err := o.fs.Lstat(from)
		if err != nil {
			return o.aboutTarget(t, err)
		}
		if err := o.noDir(dest); !st.IsDir() || endsInDots(dest.path) || err != errNoDir {
			return o.aboutTarget(dest, err)
		}
	}
	// The kernel would say "invalid argument".
	if strings.HasPrefix(to, from+"/") {
		return fmt.Errorf("%s: will not move it into itself, %s", o.label(from), quote(display(to)))
	}
	if _, err := o.fs.Lstat(to); err == nil && m.keep {
		// Not an error, as with mv -n.
		return nil
	}
	err = rename(o.fs, from, to)
	if errors.Is(err, unix.EXDEV) {
		err = fmt.Errorf("%w (%s is on another file system: cp and rm)", unix.EXDEV, display(to))
	}
	return o.about(from, err)
}
