package unboot

import (
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// ErrNoKey is what a function given to [Keys] returns if it has no key, or no more, for a
// device. The next one is asked then.
var ErrNoKey = errors.New("no key")

// ErrLocked is wrapped by errors that concern what is on an encrypted device for which
// there was no key.
var ErrLocked = errors.New("no key opens it")

// A LockedError says that no key has opened a device. It wraps [ErrLocked], and what
// [volume.Lock] has as its error.
type LockedError struct {
	Device string
	Lock   *volume.Lock
}

func (e *LockedError) Error() string {
	switch l := e.Lock; {
	case l.Err != nil:
		return fmt.Sprintf("%s (%s): %v", e.Device, l.Format, l.Err)
	case l.Tried == 0:
		return fmt.Sprintf("%s (%s) is encrypted, and there is no key for it", e.Device, l.Format)
	case l.Tried == 1:
		return fmt.Sprintf("%s (%s) is encrypted, and the key does not fit", e.Device, l.Format)
	default:
		return fmt.Sprintf("%s (%s) is encrypted, and none of the %d keys fits", e.Device, l.Format, l.Tried)
	}
}

func (e *LockedError) Unwrap() []error { return []error{ErrLocked, e.Lock.Err} }

// Keys has Open ask a function for the keys of encrypted devices: try counts from 0 for
// each device. What it returns is wiped after use. The Device's Locked says what would open
// it. It is asked as well about devices on which nothing was recognized, whose Content is
// nil: those may be encrypted by a kind that has no signature, and a key for one says by its
// Params of which kind it is.
//
// The function returns [ErrNoKey] if it has no key or no more. Another error ends the
// search for that device. It is called once more when [Image.Unlock] was.
func Keys(f func(d *Device, try int) (volume.Key, error)) Option {
	return func(c *config) { c.keys = append(c.keys, f) }
}

// UnboundedKeys lifts the bounds on the memory and the time that the header of an encrypted
// device can make its opening take. They are those that package volume/luks and the
// others beside it document.
func UnboundedKeys() Option {
	return func(c *config) { c.unbounded = true }
}

// keySource is a function that was given to Keys.
type keySource = func(d *Device, try int) (volume.Key, error)

// An UnlockOption of [Image.Unlock].
type UnlockOption func(*mapping)

// MapName names the volume: it is /dev/mapper/NAME, as `cryptsetup open` has it, until it is
// deactivated.
func MapName(name string) UnlockOption { return func(m *mapping) { m.name = name } }

// MapReadOnly makes the volume one that is not written to, even if the image can be.
func MapReadOnly() UnlockOption { return func(m *mapping) { m.readOnly = true } }

// Unlock opens the encrypted volume on a device by a key, and finds what is in it, as
// [Image.Rescan] does. The key is wiped. The error is a *[LockedError] if it does not fit, and
// wraps EBUSY if the volume is open already, and EEXIST if another one has the name.
func (img *Image) Unlock(d *Device, key volume.Key, opts ...UnlockOption) error {
	defer key.Wipe()
	how := mapping{}
	for _, o := range opts {
		o(&how)
	}
	if err := img.mayMap(d, how); err != nil {
		return err
	}
	img.mountMu.Lock()
	all, was := img.keys, img.mappings[d.Name]
	img.keys = []keySource{func(o *Device, try int) (volume.Key, error) {
		if try > 0 || o.Name != d.Name {
			return volume.Key{}, ErrNoKey
		}
		key := key
		key.Secret = slices.Clone(key.Secret) // it is asked for by each kind that may be there
		return key, nil
	}}
	for k := range img.opened {
		if k.device == d.Name {
			delete(img.opened, k)
		}
	}
	for v, below := range img.off {
		if below == d.Name {
			delete(img.off, v)
		}
	}
	img.mappings[d.Name] = how
	img.mountMu.Unlock()
	err := img.Rescan()
	if err == nil {
		err = img.unlocked(d)
	}
	img.mountMu.Lock()
	img.keys = all
	if err != nil {
		img.mappings[d.Name] = was
	}
	img.mountMu.Unlock()
	return err
}

// mayMap reports as an error why the volume on a device cannot be opened now.
func (img *Image) mayMap(d *Device, how mapping) error {
	if now, err := img.Device(d.Name); err == nil {
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

// unlocked reports as an error if a key has not opened a device.
func (img *Image) unlocked(d *Device) error {
	now, err := img.Device(d.Name)
	switch {
	case err != nil:
		return err
	case now.Locked != nil:
		return &LockedError{d.Name, now.Locked}
	case len(now.Children()) > 0:
		return nil
	}
	// What its metadata says may be known, and why it cannot be used.
	for _, i := range img.Inactive() {
		if Kind(i.Kind) == KindCrypt && slices.ContainsFunc(i.On, func(o *Device) bool { return o.Name == d.Name }) {
			if i.Err != nil {
				return fmt.Errorf("%s: %w", d.Name, i.Err)
			}
			return fmt.Errorf("%s: %s", d.Name, strings.Join(i.Problems, "; "))
		}
	}
	return fmt.Errorf("%s: nothing that is encrypted was recognized: %w", d.Name, ErrNotFound)
}

// hasKey reports whether there is a key for a device on which nothing was recognized.
func (img *Image) hasKey(d *Device) bool {
	for _, source := range img.keys {
		if key, err := source(d, 0); err == nil {
			key.Wipe()
			return true
		}
	}
	return false
}

// keyring yields the keys of the image's sources.
type keyring struct{ a *assembly }

// Keys implements [volume.Keyring].
func (r keyring) Keys(m *volume.Member, lock *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		of := r.a.devices[m]
		d := &Device{Name: of.Name, Aliases: of.Aliases, Kind: of.Kind, Size: of.Size, Partition: of.Partition,
			Volume: of.Volume, Locked: lock, Content: of.Content}
		d.in.Store(r.a.g)
		for _, source := range r.a.img.keys {
			for try := 0; ; try++ {
				key, err := source(d, try)
				if errors.Is(err, ErrNoKey) {
					break
				}
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}
