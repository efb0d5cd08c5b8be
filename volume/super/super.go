// Package super reads the partition of Android that has the others in it: a super.img, which
// lpmake writes. It says which extents of the device the partitions such as system_a are.
//
// It follows AOSP's system/core/fs_mgr/liblp/include/liblp/metadata_format.h. The names are
// those of Android's device mapper. Of the metadata of several slots, the first that is whole
// is used: they differ only while an update is applied.
package super

import (
	"context"
	"fmt"
	"math"

	"github.com/unboot/unboot/volume"
)

// Type is the kind of volumes in a super partition. [volume.Volume.Info] is a [*Partition].
var Type = volume.Type{Name: "super", Members: []string{"android_super"}, Open: open}

func open(ctx context.Context, members []*volume.Member, _ *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	taken := map[string]bool{}
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		md, err := Read(m.R, m.Size)
		if err != nil {
			m.Problems = append(m.Problems, err.Error())
			continue
		}
		for _, p := range md.Partitions {
			if len(p.Extents) == 0 {
				continue // the place of a partition in the other slot
			}
			v := plan(m, md, p)
			for base, i := v.Name, 2; taken[v.Name]; i++ {
				v.Name = fmt.Sprintf("%s-%d", base, i)
			}
			taken[v.Name] = true
			v.Nodes = []string{"/dev/mapper/" + v.Name}
			list = append(list, v)
		}
	}
	return list
}

// plan makes the table of a partition.
func plan(m *volume.Member, md *Metadata, p *Partition) *volume.Volume {
	v := &volume.Volume{Kind: "dm", Name: p.Name, ReadOnly: p.ReadOnly, Info: p, Bases: []volume.Base{m}}
	var table []volume.Target
	var pos int64
	for i, e := range p.Extents {
		bad := func(why string) *volume.Volume {
			v.Problems = []string{fmt.Sprintf("its extent %d %s", i, why)}
			return v
		}
		if e.Size <= 0 || e.Size > math.MaxInt64-pos {
			return bad("has an impossible size")
		}
		t := volume.Target{Start: pos / volume.SectorSize, Length: e.Size / volume.SectorSize, Type: "zero"}
		switch {
		case e.Zero:
		case e.Device != 0:
			return bad(fmt.Sprintf("lies on the device %q", md.device(e.Device)))
		case e.Offset < md.First || e.Offset > m.Size-e.Size:
			return bad("lies outside of the device's data")
		default:
			t.Type, t.Params, t.Devices = "linear", fmt.Sprintf("@ %d", e.Offset/volume.SectorSize), []volume.Base{m}
		}
		table = append(table, t)
		pos += e.Size
	}
	v.Table, v.Size, v.Bases = table, pos, nil
	return v
}
