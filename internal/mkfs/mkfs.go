// Package mkfs knows the options of the programs that make file systems: what mkfs.ext4,
// mkfs.xfs and so on have to be given for a label, a block size and the like, and to go to
// work on an image file without questions. The programs of package hosttool run them.
package mkfs

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Options are what a file system is made with. Zero values are the program's choice.
type Options struct {
	BlockSize    int    // bytes, a power of 2; of a cluster, where a type has those
	Features     string // as the program has them
	InodeSize    int    // bytes
	Label        string
	SectorSize   int   // bytes, if it is not the device's
	DeviceSector int   // bytes of a sector of the device, which has to be known
	Start        int64 // of the partition on its disk, in bytes; 0 if it is not one
}

// An OptionError is the error of an option that a type of file system does not have.
type OptionError struct {
	Type   string
	Option string // "blocksize", "features", "inode", "label" or "sectorsize"
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("%s: the option %s is not one of file systems of this type", e.Type, e.Option)
}

// Args returns the arguments of the program mkfs.TYPE, but for the device, which comes last.
// Of a type that is not known there are none. The error is an [OptionError], one of a value
// that cannot be, or wraps errors.ErrUnsupported where the program does not make a file
// system for such sectors in a file.
func Args(fstype string, o Options) ([]string, error) {
	m := makers[fstype]
	sector := o.DeviceSector
	if o.SectorSize != 0 {
		sector = o.SectorSize
	}
	switch {
	case sector <= 0:
		return nil, errors.New("sector size must be larger than zero")
	case m.only512 && sector != 512:
		return nil, fmt.Errorf("%s: sectors of %d bytes: %w", fstype, sector, errors.ErrUnsupported)
	case o.SectorSize != 0 && m.sectors == "":
		return nil, &OptionError{fstype, "sectorsize"}
	case o.InodeSize < 0:
		return nil, errors.New("inode size must be larger than zero")
	}
	args := slices.Clone(m.always)
	blocks, err := m.blockArgs(fstype, o.BlockSize, sector)
	if err != nil {
		return nil, err
	}
	args = append(args, blocks...)
	for _, a := range []struct{ name, option, value string }{
		{"features", m.features, o.Features},
		{"inode", m.inode, number(o.InodeSize)},
		{"", m.sectors, number(o.SectorSize)},
		{"label", m.label, o.Label},
	} {
		if a.name == "" && a.value == "" && a.option != "" && sector != 512 {
			a.value = number(sector)
		}
		switch {
		case a.value == "":
		case a.option == "":
			return nil, &OptionError{fstype, a.name}
		case strings.HasSuffix(a.option, "="):
			args = append(args, a.option[:2], a.option[2:]+a.value)
		default:
			args = append(args, a.option, a.value)
		}
	}
	if m.partition != nil && o.Start > 0 {
		args = append(args, m.partition(o.Start, sector)...)
	}
	return args, nil
}

// number returns a number, or "" for zero.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// blockArgs returns the arguments for a size of blocks.
func (m *maker) blockArgs(fstype string, size, sector int) ([]string, error) {
	switch {
	case size == 0 && strings.HasPrefix(fstype, "ext") && sector > 1024:
		// Small file systems get smaller blocks, which the disk does not have.
		return m.blocks(sector, sector), nil
	case size == 0:
		return nil, nil
	case size < 0 || bits.OnesCount(uint(size)) != 1:
		return nil, errors.New("block size must be > 0 and a power of 2")
	case m.blocks == nil:
		return nil, &OptionError{fstype, "blocksize"}
	case (fstype == "vfat" || fstype == "msdos") && size < sector:
		return nil, fmt.Errorf("block size %d is less than a sector of %d bytes", size, sector)
	}
	return m.blocks(size, sector), nil
}
