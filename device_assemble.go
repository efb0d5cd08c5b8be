package unboot

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/volume"
)

// An assembly finds the volumes on the devices of a graph, has the kernel show them, and
// looks for volumes on those in turn, until there is nothing new.
//
// A volume that is not whole is set up last: the member that it lacks may be on a device
// that is still to be found.
type assembly struct {
	ctx      context.Context
	img      *Image
	g        *graph
	keys     []keySource // of this assembly alone
	askMu    sync.Mutex  // has the keys asked for one at a time
	control  *dm.Control // nil until it is needed
	kinds    []*kindState
	devices  map[*volume.Member]*Device
	numbers  map[volume.Base]string      // in the kernel: "8:1"
	readers  map[volume.Base]io.ReaderAt // of what can be read without the kernel
	scans    map[string]*scan            // of disks to which nothing was written through the kernel
	onHost   map[*Device]io.ReaderAt     // the same, of the devices of volumes
	under    map[*volume.Volume]*footing
	level    map[*Device]int
	files    []*File
	loaded   []*loaded                 // in the order in which they were needed
	owners   map[string]*volume.Volume // by what identifies a volume
	shown    map[*volume.Volume]*Device
	shownAs  map[*loaded]*Device
	failed   map[*volume.Volume]error
	locked   map[*Device]*volume.Lock
	problems map[*Device][]string
}

// A kindState is how far the search for one kind of volumes has come.
type kindState struct {
	*volume.Type
	members []*volume.Member
	beside  map[*Device]*volume.Member // the other devices, if the kind wants them
	fresh   bool                       // there are members that Open has not seen
	plans   []*volume.Volume
	asked   map[string]*asking      // of a kind that is not Alone: see keyring
	off     map[*volume.Volume]bool // what isOff has found out about the plans
}

// openedMember says which volumes were opened on a member of a kind that opens each alone.
type openedMember struct{ kind, device, uuid string }

// opened returns by what the volumes are known that the kind has opened on a device.
func (k *kindState) opened(d *Device) openedMember {
	key := openedMember{kind: k.Name, device: d.Name}
	if d.Content != nil {
		key.uuid = d.Content.UUID
	}
	return key
}

// addVolumes adds the volumes to a graph that has the disks and their partitions.
//
// Preconditions: mountMu is held, or nobody else has the image yet.
func (g *graph) addVolumes(ctx context.Context, found []*scan, keys []keySource) {
	a := &assembly{
		ctx: ctx, img: g.img, g: g, keys: keys,
		devices: map[*volume.Member]*Device{}, numbers: map[volume.Base]string{}, level: map[*Device]int{},
		shown: map[*volume.Volume]*Device{}, shownAs: map[*loaded]*Device{}, failed: map[*volume.Volume]error{},
		locked: map[*Device]*volume.Lock{}, problems: map[*Device][]string{},
		readers: map[volume.Base]io.ReaderAt{}, scans: map[string]*scan{}, onHost: map[*Device]io.ReaderAt{},
		under: map[*volume.Volume]*footing{}, owners: map[string]*volume.Volume{},
	}
	for _, s := range found {
		if s.dev != nil {
			a.scans["/dev/"+s.name] = s
		}
	}
	for _, t := range volumeTypes {
		k := &kindState{Type: t}
		if !t.Alone {
			k.asked = map[string]*asking{}
		}
		a.kinds = append(a.kinds, k)
	}
	for _, d := range slices.Clone(g.devices) {
		a.enlist(d)
	}
	for a.step(false) || a.step(true) {
	}
	for _, f := range a.files {
		f.Close()
	}
	a.wipeAsked()
	a.unload()
	if a.control != nil {
		a.control.Close()
	}
	a.report()
}

// step sets up volumes of the first kind that has any which are new. last says that those
// which are not whole are to be set up as well. It returns false if there was nothing to do.
func (a *assembly) step(last bool) bool {
	for _, k := range a.kinds {
		if k.fresh {
			a.plan(k)
		}
		did := false
		for _, v := range k.plans {
			if a.settled(v) || a.isOff(k, v) || !last && len(v.Problems) > 0 {
				continue
			}
			did = true
			a.setUp(v)
		}
		if did {
			return true
		}
	}
	return false
}

// settled reports whether there is nothing more to be done for a plan.
func (a *assembly) settled(v *volume.Volume) bool {
	return a.numbers[v] != "" || a.failed[v] != nil || !v.Usable()
}

// plan asks a kind for its volumes.
func (a *assembly) plan(k *kindState) {
	k.fresh, k.off = false, map[*volume.Volume]bool{}
	env := volume.Env{Decrypt: a.img.decrypt, Unbounded: a.img.unbounded, ForceDirty: a.img.dirty, ReadOnly: !a.img.writable}
	if len(a.keys) > 0 {
		env.Keys = keyring{a, k.asked}
	}
	if !k.Alone {
		// What was planned with fewer members is planned again.
		for _, m := range k.members {
			m.Problems = nil
		}
		k.plans = k.Open(a.ctx, append(slices.Clone(k.members), a.beside(k)...), &env)
		a.keepOpen(k)
		return
	}
	a.openAlone(k, env)
	for _, m := range k.members {
		d := a.devices[m]
		plans := a.img.opened[k.opened(d)]
		for _, v := range plans {
			for _, b := range v.On() {
				old, ok := b.(*volume.Member)
				switch {
				case !ok:
				case old.Name == d.Name:
					a.devices[old], a.numbers[old] = d, a.numbers[m]
				default:
					a.find(old)
				}
			}
		}
		k.plans = append(k.plans, plans...)
	}
	k.members = nil
}

// beside returns the other devices, if a kind wants them: those that are no members, or,
// where each member is opened alone, all.
func (a *assembly) beside(k *kindState) (list []*volume.Member) {
	if !k.Beside {
		return nil
	}
	if k.beside == nil {
		k.beside = map[*Device]*volume.Member{}
	}
	for _, d := range a.g.devices {
		if !k.Alone && a.belongs(d, k) {
			continue
		}
		m := k.beside[d]
		if m == nil {
			var err error
			if m, err = a.member(d); err != nil {
				continue // it is noted where the device itself is looked at
			}
			k.beside[d] = m
		}
		list = append(list, m)
	}
	return list
}

// setUp has the kernel show a volume, and looks at what is on it.
func (a *assembly) setUp(v *volume.Volume) {
	err := a.mayAdd(v)
	var l *loaded
	if err == nil {
		l, err = a.load(v)
	}
	if err != nil {
		a.failed[v] = err
		a.img.dropKeys(v)
		return
	}
	a.numbers[v] = l.number
	if r := a.readerOf(v); r != nil {
		a.readers[v] = r
	}
	if slices.Contains(a.loaded, l) {
		// It was planned again, because another volume of the kind has got a member.
		a.shown[v] = a.shownAs[l]
		return
	}
	a.loaded = append(a.loaded, l)
	if !v.Hidden {
		a.show(v, l)
	}
}

// mayAdd reports as an error why there can be no device for a volume.
func (a *assembly) mayAdd(v *volume.Volume) error {
	for _, b := range v.On() {
		if on, ok := b.(*volume.Volume); ok && a.failed[on] != nil {
			return fmt.Errorf("%s, which it lies on: %w", on.Name, a.failed[on])
		}
		if a.numbers[b] == "" {
			return fmt.Errorf("%s, which it lies on, is not there", baseName(b))
		}
	}
	if err := a.nameTaken(v); err != nil {
		return err
	}
	if len(a.loaded)+len(a.g.devices) >= maxDevices {
		return fmt.Errorf("there are more than %d devices", maxDevices)
	}
	if a.below(v).level > maxLevels {
		return fmt.Errorf("more than %d volumes lie on each other", maxLevels)
	}
	return nil
}

// nameTaken reports as an error that another volume has the name of an encrypted one: of two
// copies of a disk the second must not get into the place of the first. Others may come to
// lie elsewhere, as after pvmove(8).
func (a *assembly) nameTaken(v *volume.Volume) error {
	l := a.img.loadedAs(v)
	if Kind(v.Kind) != KindCrypt || l == nil {
		return nil
	}
	mine := a.below(v).devices
	for _, b := range l.plan.On() {
		m, ok := b.(*volume.Member)
		if !ok || slices.ContainsFunc(mine, func(d *Device) bool { return d.Name == m.Name }) {
			return nil
		}
		if a.g.named(m.Name) != nil {
			return fmt.Errorf("the volume on %s has the name %s already: %w", m.Name, v.Name, unix.EEXIST)
		}
	}
	return nil
}

// baseName returns what messages call a member or a volume.
func baseName(b volume.Base) string {
	switch b := b.(type) {
	case *volume.Member:
		return b.Name
	case *volume.Volume:
		return b.Name
	}
	return "a device"
}

// A footing is what a volume lies on.
type footing struct {
	devices []*Device // with those of its hidden parts
	level   int       // how many lie below each other, with itself and hidden ones
}

// below returns what a volume lies on. It is found out once: the ways down through hidden
// parts can be many more than these.
func (a *assembly) below(v *volume.Volume) *footing {
	if f := a.under[v]; f != nil {
		return f
	}
	f := &footing{level: 1}
	a.under[v] = f // also for a plan that lies on itself
	for _, b := range v.On() {
		on, level := a.footOn(b)
		f.level = max(f.level, level+1)
		for _, d := range on {
			if !slices.Contains(f.devices, d) {
				f.devices = append(f.devices, d)
			}
		}
	}
	return f
}

func (a *assembly) footOn(b volume.Base) (on []*Device, level int) {
	var d *Device
	switch b := b.(type) {
	case *volume.Member:
		d = a.devices[b]
	case *volume.Volume:
		if d = a.shown[b]; d == nil {
			f := a.below(b)
			return f.devices, f.level
		}
	}
	if d == nil {
		return nil, 0
	}
	return []*Device{d}, a.level[d]
}

func (a *assembly) problem(d *Device, format string, args ...any) {
	a.problems[d] = append(a.problems[d], fmt.Sprintf(format, args...))
}
