// Package lvm reads the metadata of LVM2: physical volumes, volume groups and logical
// volumes, and plans the device-mapper tables that lvm(8) would load.
//
// The layout on disk is that of lvm2's format "lvm2" (lvm.conf(5), vgcfgbackup(8),
// pvck(8)): a label in one of the first four sectors, metadata areas in which the text of
// the group's metadata goes round in a ring, and the text itself. The tables follow the
// kernel's Documentation/admin-guide/device-mapper, and names, layers and UUIDs of the
// devices are those of lvm2 2.03. It deviates where a library that opens images has no
// daemon beside it and no administrator at hand:
//
//   - Everything is opened that can be: volumes with the flag ACTIVATION_SKIP, and groups
//     with another host's system ID or a lock manager too. What lvm(8) would make of them
//     is in [VG] and [LV]. An exported group is not opened, as it is on its way elsewhere.
//   - An image of a RAID volume that misses a physical volume is "- -" in the table; LVM
//     puts a device of errors in its place. Any other volume that misses one is not opened.
//     A mirror with one leg left is opened as that leg.
//   - A mirror does not synchronize: its log is in memory and says that all is in sync. It
//     has no "handle_errors" either, which would block a failed write until a daemon comes.
//   - What pvmove(8) was about to move is read where it was.
//   - If two groups have one name, that of the first member keeps it, and the others are
//     called NAME_UUID, with the UUID's hyphens left out. LVM refuses to choose.
//   - If several members have one physical volume's UUID, nothing of the group is opened:
//     which of the copies is the right one is not for a program to guess.
//   - The text is bounded: see the constants in text.go and read.go.
package lvm

import (
	"context"
	"fmt"
	"slices"

	"github.com/unboot/unboot/volume"
)

// Type is the kind of volumes. The [volume.Volume.Info] of each is an [*LV].
var Type = volume.Type{Name: "lvm", Members: []string{memberType}, Open: open}

const memberType = "LVM2_member"

func open(ctx context.Context, members []*volume.Member, _ *volume.Env) []*volume.Volume {
	layout := Read(ctx, members)
	for _, pv := range layout.PVs {
		if pv.Member != nil {
			pv.Member.Problems = append(pv.Member.Problems, pv.Problems...)
		}
	}
	for _, vg := range layout.VGs {
		vg.report()
	}
	return layout.volumes(ctx)
}

// report notes what is wrong with the group on the first of its devices that is there: a
// volume that was left out is nowhere else.
func (vg *VG) report() {
	i := slices.IndexFunc(vg.PVs, func(pv *PV) bool { return pv.Member != nil })
	if i < 0 {
		return
	}
	m := vg.PVs[i].Member
	for _, p := range vg.Problems {
		if p == vg.inactive {
			continue // each of its volumes says so
		}
		m.Problems = append(m.Problems, fmt.Sprintf("group %s: %s", vg.Name, p))
	}
}
