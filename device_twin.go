package unboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Copies of a disk have the same UUIDs on them, of which the names of volumes are made. To
// the kernel, a second volume with a name would be new content for the first. So:
//
//   - a volume on one device alone, as an encrypted one is, gets a name of its own, and it
//     is said which others it has its UUID in common with;
//   - of others, the kinds of volumes find copies of their members themselves. What still
//     has the name of another volume is not set up, which is an error.

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
	for _, d := range a.below(v) {
		on = append(on, d.Name)
	}
	return fmt.Sprintf("%s on %s", name, strings.Join(on, ", "))
}

// distinguish gives an encrypted volume another name if a copy of it has its own.
func (a *assembly) distinguish(v *volume.Volume) {
	o := a.twin(v)
	if o == nil || v.Array != nil || !a.alone(v) {
		return
	}
	note := fmt.Sprintf("%s has the same UUID: one is a copy of the other", a.describe(o))
	name := v.Name
	for n := 2; a.twin(v) != nil; n++ {
		v.Name = fmt.Sprint(name, "-", n)
	}
	if rest, ok := strings.CutSuffix(v.UUID, name); ok {
		v.UUID = rest + v.Name
	}
	for i, node := range v.Nodes {
		if rest, ok := strings.CutSuffix(node, "/"+name); ok {
			v.Nodes[i] = rest + "/" + v.Name
		}
	}
	if !v.Hidden {
		v.Problems = append(v.Problems, note)
	}
}

// alone reports whether a volume is of a kind each of which lies on one device.
func (a *assembly) alone(v *volume.Volume) bool {
	return slices.ContainsFunc(a.kinds, func(k *kindState) bool { return k.Alone && slices.Contains(k.plans, v) })
}
