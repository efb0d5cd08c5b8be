package unboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Copies of a disk have the same UUIDs on them, of which the names of volumes are made. To
// the kernel, a second volume with a name would be new content for the first. The kinds of
// volumes find copies of their members themselves; what still has the name of another volume
// is not set up, which is an error.

// twin returns the volume that has the name of another one, or nil.
func (a *assembly) twin(v *volume.Volume) *volume.Volume {
	o := a.owners[volumeKey(v)]
	if o == nil || o == v || a.replanned(o) {
		return nil
	}
	return o
}

// replanned reports whether another plan has taken the place of one that was set up.
func (a *assembly) replanned(v *volume.Volume) bool {
	if v.Kind == string(KindPartition) {
		return false
	}
	return !slices.ContainsFunc(a.kinds, func(k *kindState) bool { return slices.Contains(k.plans, v) })
}

// describe returns what messages call a volume, and what it lies on.
func (a *assembly) describe(v *volume.Volume) string {
	name := v.Name
	if len(v.Nodes) > 0 {
		name = v.Nodes[0]
	}
	var on []string
	for _, d := range a.below(v).devices {
		on = append(on, d.Name)
	}
	return fmt.Sprintf("%s on %s", name, strings.Join(on, ", "))
}
