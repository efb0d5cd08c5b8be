package unboot

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"

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
	l := e.Lock
	what, key := lockedAs(l)
	switch {
	case l.Err != nil:
		return fmt.Sprintf("%s (%s): %v", e.Device, l.Format, l.Err)
	case l.Tried == 0:
		return fmt.Sprintf("%s (%s) is %s, and there is no %s for it", e.Device, l.Format, what, key)
	case l.Tried == 1:
		return fmt.Sprintf("%s (%s) is %s, and the %s does not fit", e.Device, l.Format, what, key)
	default:
		return fmt.Sprintf("%s (%s) is %s, and none of the %d keys fits", e.Device, l.Format, what, l.Tried)
	}
}

// lockedAs says what a lock makes of what is on its device, and what opens it.
func lockedAs(l *volume.Lock) (what, key string) {
	switch {
	case onlyBy(l, volume.RootHash):
		return "not verified", "root hash"
	case onlyBy(l, volume.VolumeKey):
		return "locked", "key"
	}
	return "encrypted", "key"
}

// onlyBy reports whether nothing but a kind of key opens what is locked. By a root hash data
// are verified, which can be read without one.
func onlyBy(l *volume.Lock, kind volume.KeyKind) bool {
	return len(l.Slots) > 0 && !slices.ContainsFunc(l.Slots, func(s volume.KeySlot) bool { return s.Kind != kind })
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

// Unlock opens the encrypted volume on a device by a key, and finds what is in it, as
// [Image.Rescan] does. The key is wiped. The error is a *[LockedError] if it does not fit.
func (img *Image) Unlock(d *Device, key volume.Key) error {
	img.mountMu.Lock()
	all := img.keys
	img.keys = []keySource{func(o *Device, try int) (volume.Key, error) {
		if try > 0 || o.Name != d.Name {
			return volume.Key{}, ErrNoKey
		}
		// Several kinds of volumes may ask, and each wipes what it gets.
		one := key
		one.Secret = bytes.Clone(key.Secret)
		return one, nil
	}}
	for k := range img.opened {
		if k.device == d.Name {
			delete(img.opened, k)
		}
	}
	img.mountMu.Unlock()
	err := img.Rescan()
	img.mountMu.Lock()
	img.keys = all
	img.mountMu.Unlock()
	key.Wipe()
	if err != nil {
		return err
	}
	now, err := img.Device(d.Name)
	if err != nil {
		return err
	}
	if now.Locked != nil {
		return &LockedError{d.Name, now.Locked}
	}
	if len(now.Children()) == 0 {
		return fmt.Errorf("%s: nothing that is encrypted was recognized: %w", d.Name, ErrNotFound)
	}
	return nil
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
