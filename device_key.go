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
// search for that device. It is called again in [Image.Rescan] for what is not open then, but not in [Image.Unlock]. It
// is never called by several goroutines at once.
func Keys(f func(d *Device, try int) (volume.Key, error)) Option {
	return func(c *config) { c.keys = append(c.keys, f) }
}

// UnboundedKeys lifts the bounds on the memory and the time that the header of an encrypted
// device can make its opening take. They are those of docs/keys.md,
// which package volume/luks and the others beside it document too.
func UnboundedKeys() Option {
	return func(c *config) { c.unbounded = true }
}

// keySource is a function that was given to Keys.
type keySource = func(d *Device, try int) (volume.Key, error)

// hasKey reports whether there is a key for a device on which nothing was recognized. param
// is a parameter that the key has to have, or "".
func (a *assembly) hasKey(d *Device, param string) bool {
	for _, source := range a.keys {
		for try := 0; try == 0 || param != ""; try++ {
			key, err := source(d, try)
			if err != nil {
				break
			}
			key.Wipe()
			if _, ok := key.Params[param]; ok || param == "" {
				return true
			}
		}
	}
	return false
}

// hasOpened reports whether a volume of a kind is open on a device.
func (img *Image) hasOpened(k *kindState, d *Device) bool {
	return slices.ContainsFunc(img.opened[k.opened(d)], (*volume.Volume).Usable)
}

// A keyring yields the keys of an assembly's sources.
type keyring struct {
	a *assembly
	// asked has what was asked before, by the names of devices, for a kind that is asked for
	// its volumes again whenever there is another member. It is nil for the others.
	asked map[string]*asking
}

// An asking is how far the sources have been asked for the keys of a device.
type asking struct {
	keys        []volume.Key // that are to be yielded again
	source, try int          // of the next one
	err         error        // that ended it
}

// Keys implements [volume.Keyring]. The sources are asked one at a time, also where several
// devices are opened at once.
func (r keyring) Keys(m *volume.Member, lock *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		of := r.a.devices[m]
		d := &Device{Name: of.Name, Aliases: of.Aliases, Kind: of.Kind, Size: of.Size, Partition: of.Partition,
			Volume: of.Volume, Locked: lock, Content: of.Content}
		d.in.Store(r.a.g)
		q := &asking{}
		if r.asked != nil {
			if r.a.img.isOpen(d.Name) {
				return // the plan by which it was opened stays: see keepOpen
			}
			if q = r.asked[d.Name]; q == nil {
				q = &asking{}
				r.asked[d.Name] = q
			}
			for _, key := range q.keys {
				if !yield(copyKey(key), nil) {
					return
				}
			}
			if q.err != nil {
				yield(volume.Key{}, q.err)
				return
			}
		}
		for {
			key, ok := r.a.ask(q, d)
			if !ok {
				return
			}
			if r.asked != nil && q.err == nil {
				q.keys = append(q.keys, copyKey(key))
			}
			if !yield(key, q.err) || q.err != nil {
				return
			}
		}
	}
}

// ask asks for the next key of a device. It returns false if there are no more.
func (a *assembly) ask(q *asking, d *Device) (key volume.Key, ok bool) {
	a.askMu.Lock()
	defer a.askMu.Unlock()
	for q.source < len(a.keys) {
		key, err := a.keys[q.source](d, q.try)
		if !errors.Is(err, ErrNoKey) {
			q.try, q.err = q.try+1, err
			return key, true
		}
		q.source, q.try = q.source+1, 0
	}
	return volume.Key{}, false
}

// copyKey returns a key with a copy of its secret: each is wiped by itself.
func copyKey(k volume.Key) volume.Key {
	k.Secret = bytes.Clone(k.Secret)
	return k
}

// wipeAsked wipes the keys that a keyring kept.
func (a *assembly) wipeAsked() {
	for _, k := range a.kinds {
		for _, q := range k.asked {
			for _, key := range q.keys {
				key.Wipe()
			}
		}
	}
}
