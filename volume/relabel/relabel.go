// Package relabel changes the labels and UUIDs of file systems that are not mounted, by
// writing to their superblocks, where that is all it takes: ext2, ext3 and ext4, FAT, and
// swap. For other types the kernel knows how (the ioctl FS_IOC_SETFSLABEL on one that is
// mounted), or only the file system's own tools do.
//
// The device is taken to be hostile: a superblock is checked to be of the type before it
// is written to, reads are bounded, and nothing else is written.
package relabel

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Device is a block device or an image.
type Device interface {
	io.ReaderAt
	io.WriterAt
}

var (
	// ErrType says that the type is not one that this package knows, or that it has
	// no such thing.
	ErrType = errors.New("not with this type of file system")
	// ErrInvalid says that the label or UUID cannot be one.
	ErrInvalid = errors.New("invalid")
	// ErrCorrupt says that the device does not hold what it should.
	ErrCorrupt = errors.New("not a file system of this type, or a damaged one")
	// ErrChecksums says that a UUID cannot be changed because checksums all over the
	// file system depend on it.
	ErrChecksums = errors.New("the UUID is part of the file system's checksums")
)

// SetLabel sets the label of a file system. The type is one of package probe: ext2,
// ext3, ext4, vfat or swap. The error wraps one of this package's, or is one of d.
func SetLabel(d Device, fstype, label string) error {
	switch fstype {
	case "ext2", "ext3", "ext4", "ext4dev":
		return setExtLabel(d, label)
	case "vfat":
		return setFATLabel(d, label)
	case "swap":
		return setSwapLabel(d, label)
	}
	return ErrType
}

// SetUUID sets the UUID of an ext2, ext3, ext4 or swap.
func SetUUID(d Device, fstype, uuid string) error {
	id, err := ParseUUID(uuid)
	if err != nil {
		return err
	}
	switch fstype {
	case "ext2", "ext3", "ext4", "ext4dev":
		return setExtUUID(d, id)
	case "swap":
		return setSwapUUID(d, id)
	}
	return ErrType
}

// ParseUUID parses a UUID in its usual form. The error wraps ErrInvalid.
func ParseUUID(s string) (id [16]byte, err error) {
	parts := strings.Split(s, "-")
	ok := len(s) == 36 && len(parts) == 5
	for i, n := range []int{8, 4, 4, 4, 12} {
		ok = ok && len(parts[i]) == n
	}
	if ok {
		_, err = hex.Decode(id[:], []byte(strings.Join(parts, "")))
	}
	if !ok || err != nil {
		return id, fmt.Errorf("%w UUID: %q", ErrInvalid, s)
	}
	return id, nil
}

// label16 checks a label of up to 16 bytes, and returns it with zeros after it.
func label16(label string) (b [16]byte, err error) {
	if len(label) > len(b) {
		return b, fmt.Errorf("%w label %q: it may have %d bytes", ErrInvalid, label, len(b))
	}
	if strings.ContainsRune(label, 0) {
		return b, fmt.Errorf("%w label %q", ErrInvalid, label)
	}
	copy(b[:], label)
	return b, nil
}

// readFull reads len(p) bytes. A device that ends before does not hold what its type
// says, which is [ErrCorrupt] rather than an error of reading.
func readFull(d Device, p []byte, off int64) error {
	n, err := d.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return ErrCorrupt
	}
	return err
}
