package unboot

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// An UnlockOption of [Image.Unlock].
type UnlockOption func(*mapping)

// MapName names the volume: it is /dev/mapper/NAME, as `cryptsetup open` has it, until it is
// deactivated.
func MapName(name string) UnlockOption { return func(m *mapping) { m.name = name } }

// MapReadOnly makes the volume one that is not written to, even if the image can be.
func MapReadOnly() UnlockOption { return func(m *mapping) { m.readOnly = true } }

// Unlock opens the encrypted volume on a device by a key, and finds what is in it, as
// [Image.Rescan] does. No function given to [Keys] is asked meanwhile. The key is wiped,
// whatever happens.
//
// The error is a *[LockedError] if the key does not fit. It wraps EBUSY if the volume is open
// already, EEXIST if another one has the name, and [ErrNotFound] if nothing that is encrypted
// was recognized. If the volume cannot be used although its key may be right, the error
// says why.
func (img *Image) Unlock(d *Device, key volume.Key, opts ...UnlockOption) error {
	defer key.Wipe()
	if err := img.err(); err != nil {
		return err
	}
	how := mapping{}
	for _, o := range opts {
		o(&how)
	}
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	if err := img.mayMap(d, how); err != nil {
		return err
	}
	img.forget(d.Name)
	for v, below := range img.off {
		if below == d.Name {
			delete(img.off, v)
		}
	}
	was, before := img.mappings[d.Name], slices.Clone(img.loaded)
	img.mappings[d.Name] = how
	err := img.rescan([]keySource{func(o *Device, try int) (volume.Key, error) {
		if try > 0 || o.Name != d.Name {
			return volume.Key{}, ErrNoKey
		}
		// Several kinds of volumes may ask, and each wipes what it gets.
		one := key
		one.Secret = bytes.Clone(key.Secret)
		return one, nil
	}})
	if err == nil {
		err = img.unlocked(d.Name, before)
	}
	if err != nil {
		img.mappings[d.Name] = was
	}
	return err
}

// mayMap reports as an error why the volume on a device cannot be opened now.
//
// Preconditions: mountMu is held.
func (img *Image) mayMap(d *Device, how mapping) error {
	if now := img.found.Load().named(d.Name); now != nil {
		for _, o := range now.Children() {
			if o.Kind == KindCrypt {
				return &hintError{unix.EBUSY, d.Name + " is open already, as " + o.Name}
			}
		}
	}
	if how.name == "" {
		return nil
	}
	if len(how.name) > maxMapName || how.name == "control" || path.Base(how.name) != how.name {
		return fmt.Errorf("the name %q for a volume: %w", how.name, unix.EINVAL)
	}
	if node := "/dev/mapper/" + how.name; img.found.Load().named(node) != nil {
		return fmt.Errorf("%s: %w", node, unix.EEXIST)
	}
	return nil
}

// maxMapName is the longest name that the device mapper has for a device.
const maxMapName = 127

// forget has the volumes on a device looked for again, which asks for its keys.
//
// Preconditions: mountMu is held.
func (img *Image) forget(device string) {
	for k := range img.opened {
		if k.device == device {
			delete(img.opened, k)
		}
	}
}

// unlocked returns as an error why a device has no volume but those of before.
//
// Preconditions: mountMu is held.
func (img *Image) unlocked(name string, before []*loaded) error {
	g := img.found.Load()
	now := g.named(name)
	switch {
	case now == nil:
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	case now.Locked != nil:
		return &LockedError{name, now.Locked}
	}
	above := now.above()
	for _, l := range img.loaded {
		if d := g.named(l.node); d != nil && slices.Contains(above, d) && !slices.Contains(before, l) {
			return nil
		}
	}
	// What its metadata says may be known, and why it cannot be used.
	for _, v := range g.inactive {
		if !slices.ContainsFunc(v.On, func(o *Device) bool { return o == now || slices.Contains(above, o) }) {
			continue
		}
		if v.Err != nil {
			return fmt.Errorf("%s: %s: %w", name, v.Name, v.Err)
		}
		return fmt.Errorf("%s: %s", name, strings.Join(v.Problems, "; "))
	}
	if len(now.Problems) > 0 {
		return fmt.Errorf("%s: %s: %w", name, strings.Join(now.Problems, "; "), ErrNotFound)
	}
	return fmt.Errorf("%s: nothing that is encrypted was recognized: %w", name, ErrNotFound)
}
