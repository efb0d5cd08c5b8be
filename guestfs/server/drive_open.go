package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/qcow2"
)

// openDrive returns the option that attaches a drive, and what is to be closed at the
// end, or nil.
//
// A raw drive is opened for writing. A qcow2 drive is either the empty overlay that the
// library makes for what it may only read: then its backing file is opened in its place,
// with a throw-away overlay of ours above it. Or it is somebody's image: then it is read
// with such an overlay above it, and only if it said so, for writing to qcow2 images is
// not possible yet.
func openDrive(d Drive) (unboot.Option, io.Closer, error) {
	opts := []unboot.DiskOption{unboot.BlockSizes(d.LogicalBlock, d.PhysicalBlock)}
	format, err := driveFormat(d)
	if err != nil {
		return nil, nil, err
	}
	if format == "raw" {
		opts = append(opts, unboot.AnyFormat())
		if d.ReadOnly {
			opts = append(opts, unboot.Scratch())
		}
		return unboot.AddDisk(d.Path, opts...), nil, nil
	}
	opts = append(opts, unboot.Scratch())
	backing, backingFormat, size, ok := emptyOverlay(d.Path)
	if !ok && !d.ReadOnly {
		return nil, nil, fmt.Errorf("%s is a qcow2 image, which unboot can only read: add it read-only", d.Path)
	}
	if ok && backingFormat == "raw" && !d.ReadOnly {
		// The short way, without a copy through this program.
		if st, err := os.Stat(backing); err == nil && st.Mode().IsRegular() && st.Size() == size {
			return unboot.AddDisk(backing, append(opts, unboot.AnyFormat())...), nil, nil
		}
	}
	// What the header names is opened as qemu would, which libguestfs has set up to
	// do it.
	follow := qcow2.Follow(func(qcow2.Reference) error { return nil })
	img, err := qcow2.Open(d.Path, qcow2.Options{Backing: follow, DataFile: follow})
	if err != nil {
		return nil, nil, err
	}
	return unboot.AddDevice(d.Path, img, opts...), img, nil
}

// driveFormat returns the format of a drive, "raw" or "qcow2". As qemu does, it looks
// at the image if nobody has said.
func driveFormat(d Drive) (string, error) {
	if d.Format != "" {
		return d.Format, nil
	}
	raw, err := disk.OpenRaw(d.Path, disk.Options{})
	var foreign *disk.FormatError
	switch {
	case err == nil:
		return "raw", raw.Close()
	case errors.As(err, &foreign) && foreign.Format == "qcow2":
		return "qcow2", nil
	}
	return "", err
}

// emptyOverlay returns what qcow2.EmptyOverlay does, with the path of the host that the
// backing file has, and the size of the disk in bytes.
func emptyOverlay(path string) (backing, format string, size int64, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", 0, false
	}
	defer f.Close()
	h, err := qcow2.ReadHeader(f)
	if err != nil {
		return "", "", 0, false
	}
	name, format, ok := qcow2.EmptyOverlay(f)
	return qcow2.Resolve(path, name), format, h.Size, ok
}

// checkOverlay finds what is wrong with a qcow2 drive before anything is served.
func checkOverlay(d Drive) error {
	backing, format, _, ok := emptyOverlay(d.Path)
	switch {
	case !ok && !d.ReadOnly:
		return fmt.Errorf("%s is a qcow2 image, which unboot can only read: add it read-only", d.Path)
	case ok && backing == "":
		return fmt.Errorf("%s: its backing file is not a file of this host", d.Path)
	case ok && format != "" && format != "raw" && format != "qcow2":
		return fmt.Errorf("%s is in the format %s, which unboot does not read", backing, format)
	case ok:
		f, err := os.Open(backing)
		if errors.Is(err, unix.ENXIO) {
			err = &fs.PathError{Op: "open", Path: backing, Err: disk.ErrNotDisk}
		}
		if err != nil {
			return err
		}
		return f.Close()
	}
	return nil
}
