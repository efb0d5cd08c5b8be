package tcrypt

import (
	"fmt"

	"github.com/unboot/unboot/volume"
)

// diskOf returns the disk that a member is a partition of, or itself if it is none.
func diskOf(m *volume.Member, others []*volume.Member) *volume.Member {
	for _, o := range others {
		if isPartition(m, o) {
			return o
		}
	}
	return m
}

// isPartition reports whether a member is a partition of a disk.
func isPartition(m, disk *volume.Member) bool {
	n := fmt.Sprint(m.PartNumber)
	return m.PartNumber > 0 && (m.Name == disk.Name+n || m.Name == disk.Name+"p"+n)
}

// system returns the volumes of an encrypted system: one on the member if that is a partition,
// or on each encrypted partition if it is the disk. They are nil if the header is not of a system,
// or no partition of the disk is encrypted as a whole: then the volume lies on the disk. Sectors are counted from the beginning of the disk, wherever
// they are.
func (h *header) system(m, disk *volume.Member, others []*volume.Member) (list []*volume.Volume, err error) {
	if !h.System {
		return nil, nil
	}
	if h.done != 0 && h.done < h.size {
		clear(h.keys)
		return nil, fmt.Errorf("only %d of the %d bytes of the system are encrypted yet", h.done, h.size)
	}
	parts := []*volume.Member{m}
	if m == disk {
		parts = nil
		for _, o := range others {
			if isPartition(o, disk) && o.Info == nil { // others are plain
				parts = append(parts, o)
			}
		}
	}
	if h.cascade.mode != xts {
		clear(h.keys)
		return nil, fmt.Errorf("it is encrypted in the mode %s, which no encrypted system has", h.Mode)
	}
	for _, p := range parts {
		start, size := uint64(p.PartStart), uint64(p.Size)/volume.SectorSize*volume.SectorSize
		// Partitions that are outside, such as those that start the system, are plain.
		if start < h.offset || start-h.offset >= h.size || size > h.size-(start-h.offset) || size == 0 || start%volume.SectorSize != 0 {
			continue
		}
		v := newVolume(p)
		v.Info = &h.Header
		list = append(list, h.layers(v, p, 0, size, start)...)
	}
	switch {
	case len(list) > 0:
		clear(h.keys)
	case m != disk:
		clear(h.keys)
		return nil, fmt.Errorf("the header on %s says that the system lies elsewhere, at byte %d", disk.Name, h.offset)
	}
	return list, nil
}
