package main

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const usageRm = `usage: unboot rm [-rfd] IMAGE:PATH...

Removes files. Changes the image. Symbolic links are removed, not followed: a name
with a slash at its end is that of a directory, and a link none.

  -r, -R, --recursive  directories too, with all below them
  -d, --dir            empty directories too
  -f, --force          it is no error if there is nothing of the name

  unboot rm disk.img:/etc/motd
  unboot rm -rf disk.img:/var/cache/apt
`

func runRm(a *app, args []string) error {
	f := a.flags()
	recursive, dir, force := false, false, false
	f.bool(&recursive, 'r', "recursive")
	f.bool(&recursive, 'R', "")
	f.bool(&dir, 'd', "dir")
	f.bool(&force, 'f', "force")
	args, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if force {
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
		a.fail(a.remove(o, t, recursive, dir, force))
	}
	return nil
}

func (a *app) remove(o *opened, t target, recursive, dir, force bool) error {
	path, err := o.named(t)
	if err == errDots {
		return o.aboutTarget(t, err)
	}
	if path == "." {
		return fmt.Errorf("%s: will not remove the root directory", o.label(path))
	}
	var st fs.FileInfo
	if err == nil {
		st, err = o.fs.Lstat(path)
	}
	switch {
	case (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)) && force:
		return nil // as with rm(1), there is nothing of the name
	case err != nil:
		return o.aboutTarget(t, err)
	case st.IsDir() && recursive:
		err = o.fs.RemoveAll(path)
	case st.IsDir() && !dir:
		return fmt.Errorf("%s: %w (try -r)", o.label(path), unix.EISDIR)
	default:
		err = o.fs.Remove(path)
	}
	// The error's path is that of the file below which could not be removed.
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path != "" {
		return o.about(pe.Path, pe.Err)
	}
	return o.about(path, err)
}
