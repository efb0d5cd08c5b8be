package relabel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// A FAT has its label twice: in the boot sector, and as an entry of the root directory,
// which is the one that counts. Microsoft's FAT32 File System Specification 1.03.
const (
	fatNoName    = "NO NAME    "
	fatEntrySize = 32
	fatVolume    = 0x08 // attribute
	fatLongName  = 0x0f // attributes of what is no entry of its own
	fatDeleted   = 0xe5
	maxFATRoot   = 1 << 16 // entries that are looked at
)

type fat struct {
	d       Device
	boot    []byte
	label   int   // offset of the label in the boot sector
	sector  int64 // bytes
	cluster int64 // bytes
	table   int64 // offset of the first FAT
	root    int64 // offset of the root directory, if not FAT32
	entries int64 // of the root directory, if not FAT32
	data    int64 // offset of cluster 2
	first   uint32
	count   uint32 // of clusters
}

func openFAT(d Device) (*fat, error) {
	b := make([]byte, 512)
	if err := readFull(d, b, 0); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	f := &fat{d: d, boot: b, sector: int64(le.Uint16(b[11:])), entries: int64(le.Uint16(b[17:]))}
	perCluster := int64(b[13])
	reserved, fats := int64(le.Uint16(b[14:])), int64(b[16])
	perFAT, total := int64(le.Uint16(b[22:])), int64(le.Uint16(b[19:]))
	if total == 0 {
		total = int64(le.Uint32(b[32:]))
	}
	fat32 := perFAT == 0
	f.label = 43
	if fat32 {
		perFAT = int64(le.Uint32(b[36:]))
		f.label, f.first = 71, le.Uint32(b[44:])
	}
	switch {
	case f.sector < 512 || f.sector > 4096 || f.sector&(f.sector-1) != 0,
		perCluster == 0 || perCluster&(perCluster-1) != 0,
		reserved == 0 || fats == 0 || fats > 2 || perFAT == 0,
		b[510] != 0x55 || b[511] != 0xaa,
		fat32 != (f.entries == 0),
		// The extended boot signature says that a label and a serial number follow.
		b[f.label-5] != 0x29:
		return nil, ErrCorrupt
	}
	f.cluster = perCluster * f.sector
	f.table = reserved * f.sector
	f.root = f.table + fats*perFAT*f.sector
	f.data = f.root + (f.entries*fatEntrySize+f.sector-1)/f.sector*f.sector
	left := total*f.sector - f.data
	if left <= 0 {
		return nil, ErrCorrupt
	}
	f.count = uint32(left / f.cluster)
	return f, nil
}

// fatLabel returns a label as it is on the disk.
func fatLabel(label string) ([]byte, error) {
	label = strings.TrimRight(label, " ")
	if len(label) > 11 {
		return nil, fmt.Errorf("%w label %q: it may have 11 characters", ErrInvalid, label)
	}
	for i := range len(label) {
		if c := label[i]; c < ' ' || c >= 0x7f || strings.IndexByte(`"*+,./:;<=>?[\]|`, c) >= 0 {
			return nil, fmt.Errorf("%w label %q: %q cannot be in one", ErrInvalid, label, c)
		}
	}
	return fmt.Appendf(nil, "%-11s", strings.ToUpper(label)), nil
}

func setFATLabel(d Device, label string) error {
	name, err := fatLabel(label)
	if err != nil {
		return err
	}
	f, err := openFAT(d)
	if err != nil {
		return err
	}
	at, free, err := f.findLabel()
	if err != nil {
		return err
	}
	// The entry comes first: if writing stops in between, the place that all systems read
	// has the new label.
	boot := name
	none := len(bytes.TrimSpace(name)) == 0
	if none {
		boot = []byte(fatNoName)
	}
	switch {
	case none && at >= 0:
		_, err = d.WriteAt([]byte{fatDeleted}, at)
	case none:
	case at >= 0:
		_, err = d.WriteAt(name, at)
	case free >= 0:
		entry := make([]byte, fatEntrySize)
		copy(entry, name)
		entry[11] = fatVolume
		_, err = d.WriteAt(entry, free)
	default:
		return fmt.Errorf("%w: there is no room for a label in the root directory", ErrType)
	}
	if err == nil {
		_, err = d.WriteAt(boot, int64(f.label))
	}
	return err
}

// findLabel returns the places of the label's entry and of one that can be used for it,
// or -1.
func (f *fat) findLabel() (at, free int64, err error) {
	free = -1
	seen := int64(0)
	look := func(off, size int64) (end bool) {
		dir := make([]byte, size)
		if err = readFull(f.d, dir, off); err != nil {
			return true
		}
		for i := int64(0); i+fatEntrySize <= size; i, seen = i+fatEntrySize, seen+1 {
			e := dir[i : i+fatEntrySize]
			unused := e[0] == 0 || e[0] == fatDeleted
			if unused && free < 0 {
				free = off + i
			}
			if e[0] == 0 {
				return true
			}
			if !unused && e[11]&fatVolume != 0 && e[11]&0x3f != fatLongName {
				at = off + i
				return true
			}
		}
		return seen >= maxFATRoot
	}
	at = -1
	if f.entries > 0 {
		look(f.root, f.entries*fatEntrySize)
		return at, free, err
	}
	// A FAT32's root directory is a chain of clusters, which in a damaged one may run in a
	// circle: the number of steps is bounded as well.
	for c, n := f.first, 0; n < maxFATRoot; n++ {
		if c < 2 || c-2 >= f.count {
			return at, free, err // the end, or a damaged chain
		}
		if look(f.data+int64(c-2)*f.cluster, f.cluster) {
			break
		}
		var next [4]byte
		if err = readFull(f.d, next[:], f.table+4*int64(c)); err != nil {
			break
		}
		c = binary.LittleEndian.Uint32(next[:]) & 0x0fffffff
	}
	return at, free, err
}
