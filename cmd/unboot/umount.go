package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/fusefs"
)

var umountCommand = command{
	name:     "umount",
	aliases:  []string{"unmount"},
	short:    "unmount images, and write what is left",
	synopsis: []string{"[OPTION...] DIR..."},
	brief:    "DIR...",
	long: `Unmounts images. When it returns, what was written is in them, and they can be
used otherwise. umount(8) and fusermount3(1) also unmount, but do not wait for that, unless
/sbin/umount.fuse.unboot is a link to this program.

A directory in which images are mounted, as "unboot mount --all" does it, stands for all of
them.
`,
	args: []kind{kindHost},
	options: func(f *flagSet) runFunc {
		u := &unmounter{}
		f.bool(&u.lazy, "l", "lazy", "take it away at once, and end it when nobody uses it any more")
		return u.run
	},
	examples: []string{"unboot umount /mnt"},
}

// An unmounter is the options of unboot umount.
type unmounter struct{ lazy bool }

func (u *unmounter) run(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("no DIR given")
	}
	for _, dir := range args {
		if err := u.unmount(a, dir); err != nil {
			a.fail(fmt.Errorf("%s: %w", quote(dir), err))
		}
	}
	return nil
}

var errNotMounted = errors.New("no image is mounted there")

// unmount ends the mount on a directory, or those in it.
func (u *unmounter) unmount(a *app, dir string) error {
	list, err := ourMounts()
	if err != nil {
		return err
	}
	at, err := mountPath(dir)
	if err != nil {
		return err
	}
	// The last one covers the others.
	slices.Reverse(list)
	if i := slices.IndexFunc(list, func(m mountLine) bool { return m.dir == at }); i >= 0 {
		return u.end(list[i])()
	}
	var below []mountLine
	for _, m := range list {
		if filepath.Dir(m.dir) == at {
			below = append(below, m)
		}
	}
	if len(below) == 0 {
		return errNotMounted
	}
	// All of them, before it waits for any: one process may serve them.
	var waits []func() error
	for _, m := range below {
		waits = append(waits, u.end(m))
	}
	var errs []error
	for i, m := range below {
		if err := waits[i](); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", quote(filepath.Base(m.dir)), err))
			continue
		}
		os.Remove(m.dir) // what the mount has made, if it is empty
	}
	return errors.Join(errs...)
}

// mountPath returns a directory as mount tables have it. A dead mount cannot be looked at, so only
// what is above it is.
func mountPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real, nil
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	return filepath.Join(parent, filepath.Base(dir)), err
}

// end ends one mount. What it returns waits until the image is written.
func (u *unmounter) end(m mountLine) (wait func() error) {
	r := openRecord(m.dev)
	err := fusefs.Unmount(m.dir, u.lazy)
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w (a program uses it: \"fuser -vm %s\" names it; --lazy takes it away)", err, m.dir)
	}
	return func() error {
		defer r.close()
		if err != nil || u.lazy {
			return err
		}
		if said := r.wait(); said != "" {
			return errors.New(strings.TrimSpace(said))
		}
		return nil
	}
}
