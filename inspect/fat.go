package inspect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// isFAT reports whether a device holds a file system without owners and permissions, which
// get theirs from the options of the mount. There may be a DOS on it, but far more often it
// is what firmware boots from.
func (d *Device) isFAT() bool { return d.Type == "vfat" || d.Type == "exfat" || d.Type == "msdos" }

// lookAtFATs looks at the devices that isFAT is about. They come last, as a system that has
// been found by then says in its fstab how it mounts them: looked at with the same options,
// they need not be mounted again to become a part of its tree.
func (m *machine) lookAtFATs(in *Inspector) {
	if !slices.ContainsFunc(m.devices, func(d Device) bool { return d.isFAT() }) {
		return
	}
	options := m.fstabOptions()
	for i := range m.devices {
		if d := &m.devices[i]; d.isFAT() {
			m.lookAt(in, &unit{device: d, options: options[d]})
		}
	}
	// Systems are found in the order of the devices.
	index := make(map[*Device]int, len(m.devices))
	for i := range m.devices {
		index[&m.devices[i]] = i
	}
	slices.SortStableFunc(m.units, func(a, b *unit) int { return cmp.Compare(index[a.device], index[b.device]) })
}

// fstabOptions returns the options that change what is seen of devices, from the first
// system whose fstab mounts them.
func (m *machine) fstabOptions() map[*Device]string {
	options := map[*Device]string{}
	for _, u := range m.units {
		if len(u.fstab) == 0 {
			continue
		}
		for i, meaning := range m.table(u).Resolve() {
			if meaning.Device < 0 || !isMounted(u.system.Type, &u.fstab[i]) {
				continue
			}
			d := &m.devices[meaning.Device]
			if _, known := options[d]; !known {
				options[d] = strings.Join(fstab.SplitOptions(u.fstab[i].Options).Visible(), ",")
			}
		}
	}
	return options
}
