package lvm

import (
	"errors"

	"github.com/unboot/unboot/volume"
)

// pool reports whether the volume only serves others.
func (lv *LV) pool() bool { return lv.segment("thin-pool", "cache-pool", "vdo-pool") != nil }

// stores reports whether the volume holds the changes of a snapshot of the older kind.
func (lv *LV) stores() bool { return lv.Snapshot != nil && len(lv.Snapshots) == 0 }

// layer returns the name of the layer of a volume that others lie on, or "" if that is the
// volume itself.
func (lv *LV) layer() string {
	switch {
	case lv.segment("thin-pool") != nil:
		return "tpool"
	case lv.segment("vdo-pool") != nil:
		return "vpool"
	case len(lv.Snapshots) > 0, lv.external:
		return "real"
	}
	return ""
}

// unusedPool reports whether the volume is a thin pool in which nothing was ever made. Its
// device has no layer.
func (lv *LV) unusedPool() bool {
	s := lv.segment("thin-pool")
	return s != nil && s.TransactionID == 0
}

// deviceUUID returns the UUID of the device of a layer. Without a layer, it says what the
// volume is a part of.
func (lv *LV) deviceUUID(layer string) string {
	if layer == "" {
		switch {
		case lv.unusedPool():
			layer = "tpool"
		case lv.role != top:
			layer = suffixes[lv.role]
		case lv.segment("thin-pool", "vdo-pool") != nil:
			layer = "pool"
		}
	}
	return lv.VG.deviceUUID(compact(lv.UUID), layer)
}

func (vg *VG) deviceUUID(id, suffix string) string {
	id = "LVM-" + compact(vg.UUID) + id
	if suffix != "" {
		id += "-" + suffix
	}
	return id
}

// readOnly reports whether the device of a layer is never to be written to. What a snapshot
// and a RAID keep for themselves is to be written to even then.
func (lv *LV) readOnly(layer string) bool {
	switch {
	case layer == "cow", lv.role == raidImage, lv.role == raidMeta:
		return false
	case layer == "" && lv.segment("thin-pool", "vdo-pool") != nil && !lv.unusedPool():
		return true
	}
	return !lv.Has("WRITE")
}

// fill makes the table of a volume or of a layer of it.
func (b *builder) fill(lv *LV, layer string) error {
	switch {
	case lv.broken != nil:
		return lv.broken
	case layer == "" && len(lv.Snapshots) > 0:
		return b.origin(lv)
	case layer == "" && lv.stores():
		return b.snapshot(lv.Snapshot)
	case layer == "" && lv.layer() != "" && !lv.unusedPool():
		return b.over(lv)
	case lv.segment("cache-pool") != nil:
		// Nothing is cached by it: its metadata is what LVM shows then.
		return b.segments(lv.Segments[0].Metadata)
	}
	return b.segments(lv)
}

// over maps a volume onto its own layer.
func (b *builder) over(lv *LV) error {
	below, err := b.on(lv, lv.layer())
	if err != nil {
		return err
	}
	size := lv.Size
	if s := lv.segment("vdo-pool"); s != nil {
		// Only the header is shown: all of it would be what the volumes in it show.
		if size = s.vdoHeader(); size == 0 {
			return errors.New("the pool has no header")
		}
		b.v.Size = size
	}
	b.line(0, size, "linear", "@ 0", below)
	return nil
}

// A builder makes the table of one volume.
type builder struct {
	p     *planner
	v     *volume.Volume
	bases []volume.Base // what was found for it, if it comes to nothing
}

// line appends a line to the table. The range is in bytes.
func (b *builder) line(start, size int64, target, params string, devices ...volume.Base) {
	b.v.Table = append(b.v.Table, volume.Target{
		Start: start / sector, Length: size / sector, Type: target, Params: params, Devices: devices,
	})
}

// on returns the device of a volume, or of a layer of it, that this one is to lie on.
func (b *builder) on(lv *LV, layer string) (volume.Base, error) {
	v, err := b.p.device(lv, layer)
	if v != nil {
		b.bases = append(b.bases, v)
	}
	return v, within(lv, err)
}
