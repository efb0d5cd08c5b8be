package unboot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// ErrDeactivated is why a volume is among those of [Image.Inactive] that [Image.Deactivate]
// has taken away.
var ErrDeactivated = errors.New("it was deactivated")

// Deactivate takes volumes away from the kernel, with their partitions, as `vgchange -an`,
// `mdadm --stop` and `cryptsetup close` do. [Image.Rescan] does not bring them back:
// [Image.Activate] does. The key of an encrypted one is forgotten, and the device that it
// lies on is locked again, whatever [Keys] has: [Image.Unlock] opens it.
//
// The error wraps EBUSY if one is mounted, open, or has another volume on it that is not to
// go as well, and EINVAL if one is no volume. Those before it, from the top of the graph on,
// have gone then.
func (img *Image) Deactivate(list ...*Device) error {
	if err := img.err(); err != nil {
		return err
	}
	g := img.found.Load()
	going := map[*Device]bool{}
	for _, d := range list {
		now := g.named(d.Name)
		if now == nil || !now.samePlace(d) {
			return fmt.Errorf("%s: %w", d.Name, ErrNotFound)
		}
		if now.Volume == nil {
			return fmt.Errorf("%s is not a volume: %w", d.Name, unix.EINVAL)
		}
		going[now] = true
	}
	for d := range going {
		if on := img.mountedOf(d); on != "" {
			return &hintError{unix.EBUSY, on + " is mounted: unmount it first"}
		}
		for _, o := range d.above() {
			if o.Volume != nil && !going[o] {
				return &hintError{unix.EBUSY, d.Name + " is in use by " + o.Name}
			}
		}
	}
	img.mountMu.Lock()
	var err error
	for _, d := range slices.Backward(g.devices) {
		if err == nil && going[d] {
			err = img.deactivate(d)
		}
	}
	img.mountMu.Unlock()
	return errors.Join(err, img.Rescan())
}

// deactivate takes one volume away.
//
// Preconditions: mountMu is held.
func (img *Image) deactivate(d *Device) error {
	// Plans of the same volume differ in their values when one was planned again.
	same := func(b volume.Base) bool {
		v, ok := b.(*volume.Volume)
		return ok && volumeKey(v) == volumeKey(d.Volume)
	}
	for _, l := range slices.Backward(slices.Clone(img.loaded)) {
		if !same(l.plan) && !slices.ContainsFunc(l.plan.On(), same) {
			continue
		}
		if err := img.remove(l); err != nil {
			return fmt.Errorf("%s: %w", l.links[0], err)
		}
	}
	below := ""
	if on := d.Parents(); d.Kind == KindCrypt && len(on) > 0 {
		below = on[0].Name
		img.mappings[below] = mapping{closed: true}
	}
	img.off[offKey(d.Volume)] = below
	return nil
}

// Activate sets up again what Deactivate has taken away: volumes from [Image.Inactive]. The
// error is the first one's that cannot be set up.
func (img *Image) Activate(list ...*volume.Volume) error {
	img.mountMu.Lock()
	for _, v := range list {
		delete(img.off, offKey(v))
	}
	img.mountMu.Unlock()
	if err := img.Rescan(); err != nil {
		return err
	}
	for _, i := range img.Inactive() {
		for _, v := range list {
			if volumeKey(v) == volumeKey(i.Volume) && i.Err != nil {
				return fmt.Errorf("%s: %w", v.Name, i.Err)
			}
		}
	}
	return nil
}

// offKey identifies a volume that was deactivated: another one that is made with its name is
// another volume.
func offKey(v *volume.Volume) string {
	if v.UUID != "" {
		return v.UUID
	}
	return volumeKey(v)
}

// isOff reports whether a volume is to stay away: it was deactivated, or is a part of only
// such volumes.
func (a *assembly) isOff(k *kindState, v *volume.Volume) bool {
	if len(a.img.off) == 0 {
		return false
	}
	if off, known := k.off[v]; known {
		return off
	}
	_, off := a.img.off[offKey(v)]
	k.off[v] = off
	if off || !v.Hidden {
		return off
	}
	users := false
	for _, u := range k.plans {
		if slices.Contains(u.On(), volume.Base(v)) {
			if users = true; !a.isOff(k, u) {
				return false
			}
		}
	}
	k.off[v] = users
	return users
}

// A mapping is how the encrypted volume on a device is to be opened.
type mapping struct {
	name     string // for the device mapper, or "" for that of its kind
	readOnly bool
	closed   bool // no key is looked for
}

// apply makes the plans of an encrypted device's volumes what the mapping says. There may be
// more than one: the others have a number after the name.
func (m mapping) apply(plans []*volume.Volume) {
	n := 0
	for _, v := range plans {
		if v.Hidden || Kind(v.Kind) != KindCrypt {
			continue
		}
		v.ReadOnly = v.ReadOnly || m.readOnly
		if m.name == "" {
			continue
		}
		name := m.name
		if n++; n > 1 {
			name += fmt.Sprint("_", n)
		}
		if prefix, ok := strings.CutSuffix(v.UUID, v.Name); ok {
			v.UUID = prefix + name
		}
		v.Name, v.Nodes = name, []string{"/dev/mapper/" + name}
	}
}
