package server

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/qcow2"
	"github.com/unboot/unboot/disk/source"
)

// openDrive returns the option that attaches a drive, and the device that this program serves
// it by, which is to be closed at the end, or nil.
//
// A raw drive is opened for writing. A drive in another format is either the empty overlay
// that the library makes for what it may only read: then its backing file is opened in its
// place, with a throw-away overlay of ours above it. Or it is somebody's image: that is
// written to, or read with such an overlay above it if nothing is to stay. For a drive that is
// at a server, see dial.
func openDrive(d Drive) (unboot.Option, disk.Device, error) {
	opts := []unboot.DiskOption{blockSizes(d)}
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
	if err := checkFormat(d, format); err != nil {
		return nil, nil, err
	}
	if keeps(d) {
		img, err := source.Open(context.Background(), d.Path, source.Options{Format: format, Allow: backingRule(), Writable: true})
		if err != nil {
			return nil, nil, err
		}
		return unboot.AddDevice(d.Path, img, opts...), img, nil
	}
	opts = append(opts, unboot.Scratch())
	if backing, backingFormat, size, ok := emptyOverlay(d.Path); ok && backingFormat == "raw" {
		// The short way, without a copy through this program.
		raw, err := disk.OpenRaw(backing, disk.Options{AnyFormat: true})
		if err != nil {
			return nil, nil, err
		}
		same := raw.Size() == size
		raw.Close()
		if same {
			return unboot.AddDisk(backing, append(opts, unboot.AnyFormat())...), nil, nil
		}
	}
	img, err := source.Open(context.Background(), d.Path, source.Options{Format: format, Allow: backingRule()})
	if err != nil {
		return nil, nil, err
	}
	return unboot.AddDevice(d.Path, img, opts...), img, nil
}

// blockSizes returns the option with the sizes of a drive's blocks.
func blockSizes(d Drive) unboot.DiskOption {
	physical := d.PhysicalBlock
	if fi, err := os.Stat(d.Path); physical == 0 && err == nil && fi.Mode().IsRegular() {
		physical = max(512, d.LogicalBlock) // what qemu's disks have
	}
	return unboot.BlockSizes(d.LogicalBlock, physical)
}

// backingRule returns the rule about files that images name. They are opened as by qemu,
// but what was only taken for an image because it looks like one does not name others:
// whoever could write to a raw disk could name any file of the host.
func backingRule() func(disk.Reference) error {
	guessed := map[string]bool{}
	return func(r disk.Reference) error {
		if guessed[r.Image] {
			return disk.ErrNotAllowed
		}
		guessed[r.Path] = r.Format == "" && r.Role == disk.BackingFile
		return nil
	}
}

// isLibraryOverlay reports whether a drive is an overlay that the library has made, in a
// directory of its own, for a drive that must not be changed. What is written to it is
// to be forgotten, as it removes it at the end.
func isLibraryOverlay(d Drive) bool {
	dir, base := filepath.Split(d.Path)
	number, ok := strings.CutPrefix(base, "overlay")
	number, qcow2 := strings.CutSuffix(number, ".qcow2")
	return ok && qcow2 && d.Unsafe && strings.Trim(number, "0123456789") == "" &&
		strings.HasPrefix(filepath.Base(dir), "libguestfs")
}

// driveFormat returns the name of a drive's format. As qemu does, it looks at the image if
// nobody has said.
func driveFormat(d Drive) (string, error) {
	if d.Format != "" {
		return d.Format, nil
	}
	return source.Detect(context.Background(), d.Path)
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
	return source.Resolve(path, name), format, h.Size, ok
}

// checkFormat finds what is wrong with a drive in another format than raw, without opening
// what it names.
func checkFormat(d Drive, format string) error {
	f, err := os.Open(d.Path)
	if err != nil {
		return err
	}
	f.Close()
	if known := source.Known().Format(format); keeps(d) && known != nil && !known.Writable {
		return fmt.Errorf("%s is a %s image, which unboot can only read (add it read-only, as guestfish --ro does, "+
			"or make it another one: %s)", d.Path, format, "unboot convert IMAGE NEW.qcow2")
	}
	if keeps(d) {
		return checkKept(d, format)
	}
	backing, below, _, ok := emptyOverlay(d.Path)
	switch {
	case !ok:
	case backing == "":
		return fmt.Errorf("%s: its backing file is not a file of this host", d.Path)
	case below == "raw":
		_, err = os.Stat(backing)
	case below != "" && !slices.Contains(source.Names(), below):
		return fmt.Errorf("%s is in the format %s, which unboot does not read", backing, below)
	}
	return err
}

// checkKept opens a drive in another format than raw, that is going to be written to, for
// reading, with what it names. Another one who writes to it is waited for, as he may be about
// to end.
func checkKept(d Drive, format string) error {
	if disk.Await(context.Background(), d.Path, disk.Patience) == disk.LockedForWriting {
		return &fs.PathError{Op: "open", Path: d.Path, Err: disk.ErrInUse}
	}
	img, err := source.Open(context.Background(), d.Path, source.Options{Format: format, Allow: backingRule()})
	if err != nil {
		return err
	}
	return img.Close()
}
