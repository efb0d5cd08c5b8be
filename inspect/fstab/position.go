package fstab

import (
	"strconv"
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

// diskName is a disk as a system names it. The index is -1 if the name says nothing of
// the order of disks.
type diskName struct {
	driver string
	index  int
}

// bootDisk is the disk that has the root, which NetBSD can name so.
var bootDisk = diskName{"root", -1}

var (
	// FreeBSD: ada0p2 (GPT), ada0s1a (a slice and its label), da0s1, vtbd0a.
	freebsdDisk = lazyregexp.New(`^/dev/(ada|ad|da|vtbd|nvd|nda|nvme|mmcsd|mfid|mfisyspd|aacd|amrd|twed|xbd|vbd|idad|ciss)([0-9]{1,3})(?:p([0-9]{1,3})|s([0-9]{1,2})([a-h])?|([a-h]))?$`)
	// NetBSD and OpenBSD: wd0a, sd0i; ld0a, xbd0a; dk0 is a wedge.
	letterDisk = lazyregexp.New(`^/dev/(wd|sd|ld|xbd|ra|rd)([0-9]{1,3})([a-p])$`)
	wedge      = lazyregexp.New(`^/dev/dk([0-9]{1,3})$`)
)

// duid takes the name that OpenBSD has for a partition apart: the ID in the label of its
// disk, and a letter. It is asked of every entry, for which compiling an expression would
// take longer than all the rest.
func duid(name string) (disk string, letter byte, ok bool) {
	const size = 16
	if len(name) != size+2 || name[size] != '.' || name[size+1] < 'a' || name[size+1] > 'p' ||
		strings.Trim(name[:size], "0123456789abcdef") != "" {
		return "", 0, false
	}
	return name[:size], name[size+1], true
}

// IsBSD reports whether the spec names a device in a way that only BSD has: by the ID of a
// disk's label, by NAME= or ROOT.
func (s Spec) IsBSD() bool {
	_, _, isDUID := duid(s.Value)
	return isDUID || strings.HasPrefix(s.Value, "NAME=") || strings.HasPrefix(s.Value, "ROOT.")
}

// position returns the place that a device's name means: a disk, and the number that
// Linux gives the partition, 0 for all of the disk. For a name that stands for an
// identity, it returns what that is in an fstab of Linux.
func position(spec Spec) (identity Spec, disk diskName, partition int, ok bool) {
	if name, isName := strings.CutPrefix(spec.Value, "NAME="); isName && spec.Kind == Other {
		return Spec{Kind: PartLabel, Value: name}, disk, 0, false
	}
	if id, letter, ok := duid(spec.Value); ok {
		return spec, diskName{id, -1}, bsdPartition(letter, false), true
	}
	if letter, isRoot := strings.CutPrefix(spec.Value, "ROOT."); isRoot && len(letter) == 1 {
		return spec, bootDisk, bsdPartition(letter[0], true), true
	}
	if spec.Kind != Path {
		return spec, disk, 0, false
	}
	// No name that Linux has for a disk is one of BSD's.
	if driver, index, partition, ok := spec.Disk(); ok {
		return spec, diskName{driver, index}, partition, !unordered[driver]
	}
	for prefix, kind := range map[string]Kind{
		"/dev/gpt/": PartLabel, "/dev/gptid/": PartUUID, "/dev/ufs/": Label, "/dev/ufsid/": UUID,
		"/dev/msdosfs/": Label, "/dev/ext2fs/": Label,
	} {
		if name, found := strings.CutPrefix(spec.Value, prefix); found {
			return Spec{Kind: kind, Value: name}, disk, 0, false
		}
	}
	atoi := func(s string) int { n, _ := strconv.Atoi(s); return n }
	if m := freebsdDisk().FindStringSubmatch(spec.Value); m != nil {
		disk = diskName{m[1], atoi(m[2])}
		switch {
		case m[3] != "":
			return spec, disk, atoi(m[3]), true
		case m[5] != "":
			return spec, disk, bsdPartition(m[5][0], false), true
		case m[4] != "":
			return spec, disk, atoi(m[4]), true
		case m[6] != "":
			return spec, disk, bsdPartition(m[6][0], false) - 4, true
		}
		return spec, disk, 0, true
	}
	if m := letterDisk().FindStringSubmatch(spec.Value); m != nil {
		return spec, diskName{m[1], atoi(m[2])}, bsdPartition(m[3][0], m[1] != "sd"), true
	}
	if m := wedge().FindStringSubmatch(spec.Value); m != nil {
		return spec, diskName{"dk", 0}, atoi(m[1]) + 1, true
	}
	return spec, disk, 0, false
}

// bsdPartition returns the number that Linux most likely gives a partition of a BSD
// disk label. It counts them from 5, behind the primary partitions, without those that
// are the whole of what holds the label: c, and on NetBSD d, which is the whole disk.
func bsdPartition(letter byte, netbsd bool) int {
	n := 5 + int(letter-'a')
	switch {
	case letter > 'd' && netbsd:
		return n - 2
	case letter > 'c':
		return n - 1
	case letter == 'c':
		return 0
	}
	return n
}
