package main

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

var rmCommand = command{
	name:     "rm",
	short:    "remove files",
	synopsis: []string{"[OPTION...] IMAGE:PATH..."},
	brief:    "[-rf] IMAGE:PATH...",
	long: `Removes files. Changes the image. Symbolic links are removed, not followed; a name with
a slash at its end must be that of a directory, not of a link to one.
`,
	args: []kind{kindPath},
	options: func(f *flagSet) runFunc {
		r := &remover{}
		f.bool(&r.recursive, "rR", "recursive", "remove directories with everything below them")
		f.bool(&r.dir, "d", "dir", "remove empty directories too")
		f.bool(&r.force, "f", "force", "a file that does not exist is not an error")
		return r.run
	},
	examples: []string{
		"unboot rm disk.img:/etc/motd",
		"unboot rm -rf disk.img:/var/cache/apt",
	},
	image: true,
}

// A remover has the options of rm.
type remover struct{ recursive, dir, force bool }

func (r *remover) run(a *app, args []string) error {
	if len(args) == 0 {
		// As POSIX has it: "rm -f" with an empty list in a script is not a mistake.
		if r.force {
			return nil
		}
		return badUsage("no IMAGE:PATH given")
	}
	for _, arg := range args {
		if a.ctx.Err() != nil {
			break
		}
		o, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		a.fail(r.remove(o, t))
	}
	return nil
}

func (r *remover) remove(o *opened, t target) error {
	path, err := o.named(t)
	if err == errDots {
		return o.aboutTarget(t, err)
	}
	// Its content would be removed before the root itself fails.
	if path == "." {
		return fmt.Errorf("%s: will not remove the root directory", o.label(path))
	}
	var st fs.FileInfo
	if err == nil {
		st, err = o.fs.Lstat(path)
	}
	switch {
	case (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)) && r.force:
		return nil // as with rm(1): nothing of this name exists
	case err != nil:
		return o.aboutTarget(t, err)
	// No link is followed on the way down.
	case st.IsDir() && r.recursive:
		err = o.fs.RemoveAll(path)
	case st.IsDir() && !r.dir:
		return fmt.Errorf("%s: %w (try -r)", o.label(path), unix.EISDIR)
	default:
		err = o.fs.Remove(path)
	}
	// RemoveAll returns the path of the file below that could not be removed.
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path != "" {
		return o.about(pe.Path, pe.Err)
	}
	return o.about(path, err)
}
