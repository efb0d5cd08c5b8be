package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/treecopy"
)

// copyOut copies to the host. The target directory is opened once, and everything is
// created relative to it: what happens to its path meanwhile has no influence.
func (a *app) copyOut(s treecopy.Source, src, dst *place, into bool, typ fs.FileMode, opt *cpOptions, p *progress) error {
	dir, name := dst.path, src.base()
	switch {
	case into && name == "" && !typ.IsDir():
		return badUsage("%s has no name to copy to", quote(src.arg))
	case into:
	case opt.asName && typ.IsDir() && dst.isDir():
		name = ""
	default:
		dir, name = splitHost(dst.path)
	}
	sink := &treecopy.HostSink{
		Name: name, Keep: opt.keep,
		Label: func(p string) string { return quote(filepath.Join(dir, p)) },
	}
	if name != "" && !typ.IsDir() {
		to := strings.TrimSuffix(dir, "/") + "/" + name
		through, err := a.goesThrough(to, typ, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(filepath.Join(dir, name)), err)
		}
		if through {
			sink.Through = to
		}
	}
	root, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(dir), reason(err))
	}
	defer root.Close()
	sink.Root = root
	// Others than root cannot give files away, and would get an error for each.
	sink.Chown = os.Geteuid() == 0 && (opt.owner == nil || *opt.owner != "")
	if sink.Change, err = ownerOption(opt, nil); err != nil {
		return err
	}
	err = a.transfer(s, sink, &sink.Report, p, opt.verbose)
	a.linked = a.linked || sink.Linked()
	return err
}

// goesThrough reports whether the copy of a file is written into what exists at a host
// path, as in cp(1): the target of a symbolic link, a device or a pipe. A regular file is
// replaced, and so is a link by anything but a regular file. This applies to names that
// the user gives, and to links that existed before: once the image has brought along a
// link, no link is written through, as it could lead anywhere on the host.
func (a *app) goesThrough(to string, typ fs.FileMode, opt *cpOptions) (bool, error) {
	// Nothing exists there, so there is nothing to write through.
	own, err := os.Lstat(to)
	if err != nil {
		return false, nil
	}
	link := own.Mode()&fs.ModeSymlink != 0
	st, err := os.Stat(to)
	// Writing to it would destroy the image while the kernel uses it.
	if err == nil && a.isDisk(st) {
		return false, errors.New("is a disk of the image")
	}
	switch {
	case opt.remove || opt.keep || link && (a.linked || !typ.IsRegular()):
		return false, nil
	// cp(1) refuses this too: creating the target would place a file where the user
	// did not name one.
	case errors.Is(err, fs.ErrNotExist):
		return false, errors.New("will not write through a symbolic link without a target (try --remove-destination)")
	case err != nil:
		return false, reason(err)
	case st.IsDir() && link:
		return false, fmt.Errorf("cannot overwrite directory with non-directory: %w", unix.EISDIR)
	}
	device := !st.Mode().IsRegular() && !st.IsDir()
	if device && !typ.IsRegular() {
		return false, fmt.Errorf("exists and is not a regular file: %w", unix.EEXIST)
	}
	return link || device, nil
}
