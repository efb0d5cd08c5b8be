package main

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

var mkdirCommand = command{
	name:     "mkdir",
	short:    "make directories",
	synopsis: []string{"[OPTION...] IMAGE:PATH..."},
	brief:    "[-p] IMAGE:PATH...",
	long: `Makes directories. Changes the image.
`,
	args: []kind{kindPath},
	options: func(f *flagSet) runFunc {
		m := &maker{mode: 0o755}
		f.bool(&m.parents, "p", "parents", "make parent directories too; an existing directory is not an error")
		f.value("", "mode", "MODE", "permissions in octal (755 by default)", func(v string) (err error) { m.mode, err = parseMode(v); return err })
		return m.run
	},
	examples: []string{"unboot mkdir -p disk.img:/opt/app/data"},
	image:    true,
}

// A maker has the options of mkdir.
type maker struct {
	parents bool
	mode    fs.FileMode
}

func (m *maker) run(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	for _, arg := range args {
		o, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		path := t.clean()
		if endsInDots(t.path) && !m.parents {
			// "d/." exists if d does, and cannot be made if d does not.
			if _, err = o.existing(t); err == nil {
				err = unix.EEXIST
			}
			a.fail(o.aboutTarget(t, err))
			continue
		}
		if m.parents {
			// As with mkdir -p, the mode is that of the last directory only, and of
			// none that existed.
			existed := isDir(o, path)
			err = o.fs.MkdirAll(path, 0o755)
			if err == nil && !existed {
				err = o.fs.Chmod(path, m.mode)
			}
		} else {
			err = o.fs.Mkdir(path, m.mode)
		}
		a.fail(o.about(path, err))
	}
	return nil
}

// isDir reports whether a path leads to a directory, through links too. An error is no
// directory: the operation that follows will return it.
func isDir(o *opened, path string) bool {
	st, err := o.fs.Stat(path)
	return err == nil && st.IsDir()
}
