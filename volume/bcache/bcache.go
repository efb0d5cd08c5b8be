// Package bcache reads the superblocks of bcache: of devices that have a cache, and of the
// caches.
//
// It follows the kernel's Documentation/admin-guide/bcache.rst and
// drivers/md/bcache/bcache_ondisk.h, and checks what its read_super checks. The kernel's
// bcache is not needed: while a cache has nothing that its backing device lacks, the data is
// that of the backing device, from an offset on. It is a volume with a linear table then,
// under the names that bcache and udev give it: /dev/bcache0, /dev/bcache/by-uuid/UUID.
//
// Where the cache may have newer data, the volume is not opened. Volumes whose cache has
// clean data are for reading only, unless nothing that is written reaches the disks: the
// cache would not learn of what was written.
package bcache

import (
	"context"
	"fmt"
	"slices"

	"github.com/unboot/unboot/volume"
)

// Type is the kind of volumes on devices with a cache. [volume.Volume.Info] is a
// [*Superblock].
var Type = volume.Type{Name: "bcache", Members: []string{"bcache"}, Open: open}

// A device is a member with its superblock.
type device struct {
	m  *volume.Member
	sb *Superblock
}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var caches, backing []device
	for _, m := range members {
		if ctx.Err() != nil {
			return nil
		}
		sb, err := Read(m.R, m.Size)
		switch {
		case err != nil:
			m.Problems = append(m.Problems, fmt.Sprintf("%s: %v", m.Name, err))
		case sb.Cache:
			caches = append(caches, device{m, sb})
		default:
			backing = append(backing, device{m, sb})
		}
	}
	if env == nil {
		env = &volume.Env{}
	}
	var list []*volume.Volume
	for i, d := range backing {
		v := d.plan(fmt.Sprint("bcache", i), caches, env)
		if j := slices.IndexFunc(backing, func(o device) bool { return o.sb.UUID == d.sb.UUID }); j < i {
			v.Problems = append(v.Problems, fmt.Sprintf("%s has the same UUID as %s", d.m.Name, backing[j].m.Name))
		}
		list = append(list, v)
	}
	return list
}

// plan makes the volume of a backing device.
func (d device) plan(name string, caches []device, env *volume.Env) *volume.Volume {
	v := &volume.Volume{
		Kind: "bcache", Name: name, Size: d.m.Size/volume.SectorSize*volume.SectorSize - d.sb.DataOffset, Info: d.sb,
		Nodes: []string{"/dev/" + name, "/dev/bcache/by-uuid/" + d.sb.UUID},
		// A copy of a device has its UUID too, and the device mapper wants another.
		UUID: "BCACHE-" + d.sb.UUID + "-" + name,
	}
	if fitsPath(d.sb.Label) {
		v.Nodes = append(v.Nodes, "/dev/bcache/by-label/"+d.sb.Label)
	}
	switch d.sb.State {
	case Clean:
		v.ReadOnly = !env.ReadOnly
	case Stale:
		v.Problems = append(v.Problems, "it was used without its cache, which may have had newer data")
	case Dirty:
		v.Problems = append(v.Problems, fmt.Sprintf("%s may have newer data, and the kernel has no driver for it", d.cacheSet(caches)))
		if !env.ForceDirty {
			v.Bases = []volume.Base{d.m}
			return v
		}
		v.ReadOnly = !env.ReadOnly
	}
	v.Table = []volume.Target{{
		Length: v.Size / volume.SectorSize, Type: "linear", Devices: []volume.Base{d.m},
		Params: fmt.Sprint("@ ", d.sb.DataOffset/volume.SectorSize),
	}}
	return v
}

// cacheSet says what the cache of a device is.
func (d device) cacheSet(caches []device) string {
	for _, c := range caches {
		if c.sb.SetUUID == d.sb.SetUUID {
			return fmt.Sprintf("its cache on %s", c.m.Name)
		}
	}
	return fmt.Sprintf("its cache (set %s), which is not there,", d.sb.SetUUID)
}

// fitsPath reports whether a label can be the name of a link as it is.
func fitsPath(label string) bool {
	for _, c := range []byte(label) {
		if c <= ' ' || c >= 0x7f || c == '/' {
			return false
		}
	}
	return label != "" && label != "." && label != ".."
}
