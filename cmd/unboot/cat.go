package main

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

const usageCat = `usage: unboot cat [-m DEVICE[:MOUNTPOINT]] IMAGE:PATH...

Writes files to standard output, one after the other. Symbolic links are followed
inside the image.

  unboot cat disk.img:/etc/os-release
  unboot cat disk.img:/var/log/syslog.1.gz | zcat | less
`

func runCat(a *app, args []string) error {
	args, err := a.flags().parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	for _, arg := range args {
		o, t, err := a.target(arg, false)
		if err != nil {
			return err
		}
		if t.path == "" {
			return badUsage("%s: no path behind the image (IMAGE:PATH)", quote(arg))
		}
		path, err := o.existing(t)
		if err == nil {
			err = a.cat(o, path)
		}
		if errors.Is(err, syscall.EPIPE) {
			return err
		}
		a.fail(o.aboutTarget(t, err))
	}
	return nil
}

func (a *app) cat(o *opened, path string) error {
	f, err := o.fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return unix.EISDIR
	}
	w, err := a.stdout()
	if err != nil {
		return err
	}
	// io.Copy finds the file's WriteTo, which does not go through our memory.
	_, err = io.Copy(w, f)
	return err
}
