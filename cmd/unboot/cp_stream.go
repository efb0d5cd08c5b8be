package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/cause"
	"golang.org/x/sys/unix"
)

// copyStream copies into an image what has no size: a pipe, such as a shell's
// <(command) or standard input, or a device of the host, up to its end. As with
// cp(1), an existing file keeps its owner, mode and attributes.
func (a *app) copyStream(src, dst *place, into bool, opt *cpOptions, p *progress) error {
	o, to := dst.o, dst.path
	if into {
		name := src.base()
		if name == "" {
			return badUsage("%s has no name to copy to", quote(src.arg))
		}
		to = path.Join(to, name)
	}
	if _, err := o.fs.Lstat(to); err == nil && opt.keep {
		return nil
	}
	f, err := a.openStream(src.path)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(src.path), err)
	}
	defer f.Close()
	// By the descriptor: another stat by name could find another pipe.
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("%s: %w", quote(src.path), err)
	}
	m := unboot.Metadata{Mode: unboot.FileMode(st.Mode).Perm(), UID: int(st.Uid), GID: int(st.Gid)}
	owner, err := ownerOption(opt, o)
	if err != nil {
		return err
	}
	if owner != nil {
		owner(&m)
	}
	if tell := a.teller(opt.verbose); tell != nil {
		tell(o.label(to))
	}
	if _, err := o.fs.Lstat(to); err == nil && opt.remove {
		if err := o.fs.Remove(to); err != nil {
			return o.about(to, err)
		}
	}
	// Only a file that this creates gets the mode and owner of the source, and only
	// one that was not there under any name is removed after an error.
	_, err = o.fs.Stat(to)
	existed := err == nil
	_, err = o.fs.Lstat(to)
	isNew := errors.Is(err, fs.ErrNotExist) // and not a link without a target
	if err := a.write(o, to, a.interruptible(f), p, false, m.Mode, !existed); err != nil {
		if isNew {
			o.fs.Remove(to) // an incomplete file is worse than none
		}
		return o.about(to, err)
	}
	p.files.Add(1)
	if !existed && m.UID >= 0 {
		// The kernel acts as root, which only a file system without owners refuses.
		if err := o.fs.Chown(to, m.UID, m.GID); err != nil && !errors.Is(err, unix.EPERM) {
			return o.about(to, err)
		}
	}
	return nil
}

// openStream opens a file where open(2) may block, as for a pipe that no process has
// opened for writing. It returns when a signal comes.
func (a *app) openStream(name string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	// Buffered, so that the goroutine ends even if no one receives any more.
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		done <- opened{f, reason(err)}
	}()
	select {
	case r := <-done:
		// open(2) returns "no such device or address" for a socket, which explains
		// nothing.
		if errors.Is(r.err, unix.ENXIO) {
			if st, err := os.Stat(name); err == nil && st.Mode()&fs.ModeSocket != 0 {
				return nil, fmt.Errorf("a socket cannot be opened and read: %w", r.err)
			}
		}
		return r.f, r.err
	case <-a.ctx.Done():
		return nil, cause.Of(a.ctx)
	}
}
