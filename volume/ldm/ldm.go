// Package ldm reads Windows dynamic disks: the Logical Disk Manager's database, which says
// of a group of disks what volumes lie on them.
//
// Microsoft has not published the format. This package follows the Linux-NTFS project's
// "LDM Documentation" (https://flatcap.github.io/linux-ntfs/ldm/), the kernel's
// Documentation/admin-guide/ldm.rst, and what ldmtool(1) does, whose names it uses:
// /dev/mapper/ldm_vol_GROUP_VOLUME. Volumes are planned as `ldmtool create all` makes them,
// except that
//
//   - mirrors and RAID 5 are loaded with "nosync": Windows has kept their halves equal, and
//     a resynchronization would write. It is also what lets a RAID 5 open with a disk missing;
//   - what lacks a disk, or has one that is out of date, is for reading only, because Windows
//     would not learn of any writing;
//   - columns of several extents, and mirrors of what is spanned or striped, which Windows and
//     Veritas make and ldmtool takes for something else, are put together;
//   - a group whose databases differ is opened by the one that was committed last, and not by
//     the one that was read first.
package ldm

import (
	"context"

	"github.com/unboot/unboot/volume"
)

// Type is the kind of volumes on Windows dynamic disks. [volume.Volume.Info] is a [*Volume],
// or a [*Partition] or [*Component] of what is hidden.
var Type = volume.Type{Name: "ldm", Members: []string{"ldm_member"}, Open: open}

func open(ctx context.Context, members []*volume.Member, _ *volume.Env) []*volume.Volume {
	p := planner{names: map[string]bool{}}
	for _, g := range Scan(ctx, members) {
		for _, v := range g.Volumes {
			p.volume(g, v)
		}
	}
	return p.list
}
