// Package md reads the metadata of Linux software RAID: the superblocks of md(4), versions
// 0.90 (in either byte order), 1.0, 1.1 and 1.2.
//
// It follows the kernel's Documentation/admin-guide/md.rst and include/uapi/linux/raid/md_p.h.
// Which members make an array, which are too old, and whether those that are there are
// enough, is decided as `mdadm --assemble --scan --run` does it (mdadm(8), mdadm.conf(5)).
// It deviates where mdadm takes the first device that it comes across: if two devices claim
// the same place with equal right, such as a disk and its clone, the array is not started.
//
// Arrays are foreign, as they are to an mdadm whose host's name is not theirs: they ask for
// no number and are /dev/md/HOST:NAME. The paths that they have at home, such as /dev/md/NAME
// and /dev/md0, are the further ones.
//
// The metadata of two kinds of firmware RAID are read as well, and the arrays that they
// describe are given to the kernel without them: DDF, by the SNIA's Common RAID Disk Data
// Format 1.2, and Intel's (IMSM), by what mdadm's super-intel.c writes.
package md

import (
	"context"
	"fmt"
	"slices"

	"github.com/unboot/unboot/volume"
)

// Type is Linux software RAID.
var Type = volume.Type{Name: "md", Members: []string{"linux_raid_member", "ddf_raid_member", "isw_raid_member"}, Open: open}

// A device is a member with its superblock.
type device struct {
	m  *volume.Member
	sb *Superblock
}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	// A group is all the devices of an array, in the order in which they were given.
	type key struct {
		uuid         UUID
		major, minor int
	}
	groups := map[key][]device{}
	var order []key
	var ddf, imsm []*volume.Member
	for _, m := range members {
		if ctx.Err() != nil {
			return nil
		}
		if m.Info != nil && m.Info.Type == "ddf_raid_member" {
			ddf = append(ddf, m)
			continue
		}
		if m.Info != nil && m.Info.Type == "isw_raid_member" {
			imsm = append(imsm, m)
			continue
		}
		sb, err := Read(m.R, m.Size)
		if err != nil {
			note(&m.Problems, "%s: md superblock: %v", m.Name, err)
			continue
		}
		id := key{sb.UUID, sb.Major, sb.Minor}
		if sb.Major == 0 {
			id.minor = 90 // 91 is the same while it is being reshaped
		}
		if groups[id] == nil {
			order = append(order, id)
		}
		groups[id] = append(groups[id], device{m, sb})
	}
	var volumes []*volume.Volume
	for _, id := range order {
		volumes = append(volumes, assemble(dropWholeDisks(groups[id]), env))
	}
	volumes = append(volumes, openDDF(ddf, env)...)
	return append(volumes, openIMSM(imsm, env)...)
}

// dropWholeDisks leaves out disks that only end as one of their partitions does. A superblock
// of version 0.90 at the end of the last partition is in the right place for the disk as well,
// and does not say which of the two it describes.
func dropWholeDisks(devices []device) []device {
	return slices.DeleteFunc(devices, func(d device) bool {
		return d.m.Disk && d.sb.Major == 0 && slices.ContainsFunc(devices, func(o device) bool {
			return !o.m.Disk && o.sb.Checksum == d.sb.Checksum && o.sb.Number == d.sb.Number &&
				o.m.PartStart+o.sb.Offset == d.sb.Offset
		})
	})
}

// note adds to problems, once.
func note(problems *[]string, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(*problems, text) {
		*problems = append(*problems, text)
	}
}
