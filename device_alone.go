package unboot

import (
	"runtime"
	"slices"
	"sync"

	"github.com/unboot/unboot/volume"
)

// openAlone has a kind open those of its members that were not opened before, several at the
// same time: to derive a key may take a second of processor time, and a pool of encrypted
// disks has many. A kernel that does one call at a time is to get its calls in the same
// order every time, so there it is one member after another.
func (a *assembly) openAlone(k *kindState, env volume.Env) {
	beside := a.beside(k)
	plans := make([][]*volume.Volume, len(k.members))
	atOnce := make(chan struct{}, runtime.GOMAXPROCS(0))
	if a.img.oneWorker {
		atOnce = make(chan struct{}, 1)
	}
	var wg sync.WaitGroup
	for i, m := range k.members {
		d := a.devices[m]
		if _, ok := a.img.opened[k.opened(d)]; ok {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(beside), func(o *volume.Member) bool { return a.devices[o] == d })
		how, env := a.img.mappings[d.Name], env
		if how.closed {
			env.Keys = nil
		}
		atOnce <- struct{}{}
		wg.Go(func() {
			plans[i] = k.Open(a.ctx, append([]*volume.Member{m}, others...), &env)
			how.apply(plans[i])
			<-atOnce
		})
	}
	wg.Wait()
	for i, m := range k.members {
		key := k.opened(a.devices[m])
		if _, ok := a.img.opened[key]; !ok {
			a.img.opened[key] = plans[i]
		}
	}
}

// keepOpen has volumes that are open, and for which no key was asked this time, stay as they
// are. Those of kinds that are Alone are remembered by their members instead.
func (a *assembly) keepOpen(k *kindState) {
	for i, v := range k.plans {
		if v.Locked == nil {
			continue
		}
		if l := a.img.loadedAs(v); l != nil && l.plan.UUID == v.UUID && a.connect(l.plan) {
			k.plans[i] = l.plan
		}
	}
}

// connect has a plan of an earlier time lie on the devices that there are now. It reports
// whether they are the same.
func (a *assembly) connect(v *volume.Volume) bool {
	for _, b := range v.On() {
		m, ok := b.(*volume.Member)
		if !ok {
			return false
		}
		if !a.find(m) {
			return false
		}
	}
	return true
}

// find has a member of an earlier time be the device that has its name now. It reports whether
// there is one of its size.
func (a *assembly) find(m *volume.Member) bool {
	d := a.g.named(m.Name)
	if d == nil || d.Size != m.Size {
		return false
	}
	numbers, err := a.img.numbers(d.Name)
	if err != nil {
		return false
	}
	a.devices[m], a.numbers[m] = d, numbers
	return true
}

// isOpen reports whether the kernel has a volume on a device.
func (img *Image) isOpen(device string) bool {
	return slices.ContainsFunc(img.loaded, func(l *loaded) bool {
		return slices.ContainsFunc(l.plan.On(), func(b volume.Base) bool {
			m, ok := b.(*volume.Member)
			return ok && m.Name == device
		})
	})
}

// dropKeys wipes the keys in a plan that could not be loaded. Where it has any, they are to
// be asked for again the next time.
func (img *Image) dropKeys(v *volume.Volume) {
	if !slices.ContainsFunc(v.Table, func(t volume.Target) bool { return t.Key != nil }) {
		return
	}
	wipeKeys(v)
	for key, plans := range img.opened {
		if slices.Contains(plans, v) {
			delete(img.opened, key)
		}
	}
}
