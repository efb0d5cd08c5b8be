package luks

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// An opening is the search for the key of a volume.
type opening struct {
	ctx    context.Context
	env    *volume.Env
	header *Header
	area   *volume.Member // has the key slots
	data   *volume.Member
}

// volumes returns the volume, after the one below it that keeps its authentication tags.
func (o *opening) volumes() []*volume.Volume {
	v, below := o.plan()
	if len(v.Problems) > 0 {
		return []*volume.Volume{v}
	}
	key, lock := o.search()
	if key == nil {
		v.Locked = lock
		return []*volume.Volume{v}
	}
	return o.open(v, below, key)
}

// plan returns the volume without its table, and the one below it or nil. If it cannot be
// used, whatever the key is, it has a problem.
func (o *opening) plan() (v, below *volume.Volume) {
	h := o.header
	name := "luks-" + h.UUID
	uuid := fmt.Sprintf("CRYPT-LUKS%d-%s-%s", h.Version, strings.ReplaceAll(h.UUID, "-", ""), name)
	if !isUUID(h.UUID) {
		name = "luks-" + path.Base(o.data.Name)
		uuid = fmt.Sprintf("CRYPT-LUKS%d-%s", h.Version, name)
	}
	v = &volume.Volume{
		Kind: "crypt", Name: name, Nodes: []string{"/dev/mapper/" + name}, UUID: uuid,
		Bases: []volume.Base{o.data}, Info: h,
	}
	var err error
	if v.Size, err = o.size(); err == nil {
		err = h.refused()
	}
	if err == nil {
		below, err = o.integrity(v)
	}
	if err != nil {
		v.Problems = append(v.Problems, fmt.Sprintf("%s: %v", o.data.Name, err))
	}
	return v, below
}

// open gives the volume its table, which takes over the key.
func (o *opening) open(v, below *volume.Volume, key []byte) []*volume.Volume {
	v.Bases = nil
	var on volume.Base = o.data
	list := []*volume.Volume{v}
	if below != nil {
		on = below
		list = []*volume.Volume{below, v}
	}
	v.Table = []volume.Target{o.header.crypt(on, key, v.Size/volume.SectorSize)}
	return list
}

// size returns that of the data in bytes.
func (o *opening) size() (int64, error) {
	s := o.header.Segments[0]
	room := o.data.Size - s.Offset
	switch {
	case s.Offset == 0 && o.area == o.data:
		return 0, errors.New("this is a header alone, whose data are on another device: a key for that opens it, with the option header=")
	case room < 512:
		return 0, fmt.Errorf("the data begin at byte %d of a device of %d bytes: it is truncated, or it is a header whose data are on another device", s.Offset, o.data.Size)
	case s.Size < 0:
		return room - room%int64(max(s.SectorSize, 512)), nil
	case s.Size > room:
		return 0, fmt.Errorf("the data reach to byte %d of a device of %d bytes", s.Offset+s.Size, o.data.Size)
	}
	return s.Size, nil
}

// search tries the keys that there are. It returns the volume key, or the lock.
func (o *opening) search() ([]byte, *volume.Lock) {
	lock := &volume.Lock{Format: fmt.Sprint("LUKS", o.header.Version), Slots: o.header.slots(o.env.Unbounded)}
	if !slices.ContainsFunc(lock.Slots, func(s volume.KeySlot) bool { return s.Kind != "" }) {
		lock.Err = errors.New("none of its key slots can be used")
	}
	if o.env.Keys == nil {
		return nil, lock
	}
	for key, err := range o.env.Keys.Keys(o.data, lock) {
		if err != nil {
			lock.Err = err
			break
		}
		found, err := o.try(key)
		key.Wipe()
		if found != nil {
			return found, nil
		}
		lock.Tried++
		if o.ctx.Err() != nil {
			lock.Err = err
			break
		}
		if !errors.Is(err, ErrPassphrase) {
			lock.Err = err
		}
	}
	return nil, lock
}

// slots describes the key slots, in the order in which they are tried, and what else there
// is.
func (h *Header) slots(unbounded bool) (list []volume.KeySlot) {
	order, _ := h.order(volume.Key{}) // without a name there is no error
	tried := h.affordable(order, unbounded)
	for _, priority := range []int{Prefer, Normal, Ignore} {
		for i := range h.Keyslots {
			k := &h.Keyslots[i]
			if k.Priority != priority {
				continue
			}
			s := volume.KeySlot{ID: fmt.Sprint(k.ID), Kind: volume.Passphrase, Descr: k.KDF.words()}
			if k.KDF.Type == "" {
				s.Descr = k.Type
			}
			switch err := h.check(k, unbounded); {
			case err != nil:
				s.Kind = ""
				s.Descr += "; not tried: " + err.Error()
			case h.work(k) > MaxWork && !unbounded:
				s.Kind = ""
				s.Descr += "; not tried: it takes more than four minutes' work"
			case priority != Ignore && !slices.Contains(tried, k):
				s.Descr += "; only tried if it is named: those before it take four minutes' work"
			case priority == Ignore:
				s.Descr += "; only tried if it is named"
			}
			list = append(list, s)
		}
	}
	for _, t := range h.Tokens {
		of := ""
		for _, id := range t.Keyslots {
			of += fmt.Sprint(" ", id)
		}
		list = append(list, volume.KeySlot{ID: fmt.Sprint("token ", t.ID), Descr: fmt.Sprintf("%s, for key slot%s", t.Type, of)})
	}
	return list
}
