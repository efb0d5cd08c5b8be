package main

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

const usageMkdir = `usage: unboot mkdir [-p] [--mode MODE] IMAGE:PATH...

Makes directories. Changes the image.

  -p, --parents    those above too, and no error if the directory exists
      --mode MODE  permissions in octal (default 755)

  unboot mkdir -p disk.img:/opt/app/data
`

func runMkdir(a *app, args []string) error {
	f := a.flags()
	parents, mode := false, fs.FileMode(0o755)
	f.bool(&parents, 'p', "parents")
	f.value(0, "mode", func(v string) (err error) { mode, err = parseMode(v); return err })
	args, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	for _, arg := range args {
		o, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		path := t.clean()
		if endsInDots(t.path) && !parents {
			// There is something of such a name, or nothing that it is in.
			if _, err = o.existing(t); err == nil {
				err = unix.EEXIST
			}
			a.fail(o.aboutTarget(t, err))
			continue
		}
		if parents {
			existed := isDir(o, path)
			err = o.fs.MkdirAll(path, 0o755)
			if err == nil && !existed {
				err = o.fs.Chmod(path, mode)
			}
		} else {
			err = o.fs.Mkdir(path, mode)
		}
		a.fail(o.about(path, err))
	}
	return nil
}

func isDir(o *opened, path string) bool {
	st, err := o.fs.Stat(path)
	return err == nil && st.IsDir()
}
