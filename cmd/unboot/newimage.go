package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// A newImage is an image that a command makes: what the options say of it, and then the
// file, which is there under its name only if all went well.
type newImage struct {
	format  string
	options disk.CreateOptions
	encrypt bool
	force   bool

	path, temp string
	disk.Device
}

// flags declares the options of an image that is made.
func (n *newImage) flags(f *flagSet) {
	f.string(&n.format, "O", "output-format", "FORMAT", "format of NEW; by default what its name ends with says, or raw").among(source.Creatable()...)
	f.string(&n.options.Kind, "", "kind", "KIND", "variant of the format, such as streamOptimized or fixed")
	f.size(&n.options.ClusterSize, "", "cluster-size", "SIZE", "unit in which the format makes room, such as 64K")
	f.string(&n.options.Compression, "", "compression", "NAME", "how what is compressed is: zlib or zstd").among("zlib", "zstd")
	f.string(&n.options.Preallocate, "", "preallocate", "HOW", "make room at once: off, metadata, falloc or full").among("off", "metadata", "falloc", "full")
	f.bool(&n.encrypt, "", "encrypt", "encrypt NEW by LUKS with the first --key for it, such as all:file:PATH; qcow2 only")
	f.bool(&n.force, "", "force", "replace NEW if it exists")
}

// formatOf returns the format that an image of that name is to have.
func (n *newImage) formatOf(path string) string {
	return cmp.Or(n.format, source.FormatOf(path), "raw")
}

// create makes the image. With force, it has another name until it is finished, so that
// the file in whose place it comes is whole until then.
func (n *newImage) create(a *app, path string) error {
	n.path, n.temp, n.format = path, path, n.formatOf(path)
	there, err := n.replaces(path)
	if err != nil {
		return err
	}
	if there {
		n.temp = filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d", filepath.Base(path), os.Getpid()))
	}
	if n.encrypt {
		n.options.Encrypt = unboot.EncryptNew(a.life, unboot.Keys(a.opts.keys.key))
	}
	allow, err := a.newBelow(path, n.options.Backing)
	if err == nil {
		n.Device, err = source.Create(a.life, n.temp, n.format, n.options, allow)
	}
	if err != nil {
		return openError(n.temp, err)
	}
	return nil
}

// replaces reports whether there is a file in whose place the image comes, or returns an
// error if that must not be.
func (n *newImage) replaces(path string) (bool, error) {
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return false, nil // creating it says why
	case !n.force:
		return false, fmt.Errorf("%s: %w (--force replaces it)", quote(path), fs.ErrExist)
	case !st.Mode().IsRegular():
		return false, fmt.Errorf("%s: is not a regular file, and is not replaced", quote(path))
	case disk.InUse(path) != disk.NotWritten:
		return false, fmt.Errorf("%s: %w", quote(path), disk.ErrInUse)
	}
	return true, nil
}

// rename gives an image that is finished its name, which nothing else has got meanwhile unless
// that may be replaced.
func (n *newImage) rename(from, to string) error {
	if _, err := n.replaces(to); err != nil {
		return err
	}
	if n.force {
		return os.Rename(from, to)
	}
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	switch err {
	case nil:
		return nil
	case unix.EINVAL, unix.ENOSYS:
		// Not every file system can.
		return os.Rename(from, to)
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// finish closes the image, and gives it its name. If something has failed before, or does
// now, nothing is left of it.
func (n *newImage) finish(failed error) error {
	if n.Device == nil {
		return failed
	}
	if err := n.Close(); failed == nil && err != nil {
		failed = fmt.Errorf("%s: %w", quote(n.path), err)
	}
	n.Device = nil
	if failed == nil && n.temp != n.path {
		failed = os.Rename(n.temp, n.path)
	}
	if failed == nil {
		failed = syncDir(filepath.Dir(n.path))
	}
	if failed != nil {
		return errors.Join(failed, os.Remove(n.temp))
	}
	return nil
}

// syncDir makes the names in a directory stable, where the file system has that.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
