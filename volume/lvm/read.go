package lvm

import (
	"context"
	"fmt"

	"github.com/unboot/unboot/volume"
)

// maxTexts is how many bytes of metadata are read from all members together, where copies
// of one text count once.
const maxTexts = 64 << 20

// A Layout is what the physical volumes of an image hold.
type Layout struct {
	// VGs are the groups, in the order of their first members.
	VGs []*VG
	// PVs are the physical volumes: those of groups, those in no group, and, where
	// several members have one UUID, each of them.
	PVs []*PV
}

// Read reads the metadata of all members. What is wrong with it is in the Problems of the
// physical volumes and groups.
func Read(ctx context.Context, members []*volume.Member) *Layout {
	r := &reader{texts: map[location]*copyOf{}, bytes: maxTexts, nodes: maxNodes}
	var found []*found
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		if m.Info == nil || m.Info.Type == memberType {
			found = append(found, r.member(m))
		}
	}
	return group(found)
}

// A reader reads the members one by one.
type reader struct {
	texts map[location]*copyOf // by size and checksum: a copy is not read again
	bytes int64
	nodes int
}

// A copyOf is a text, and what it says.
type copyOf struct {
	vg  *VG
	err error
}

// found is a physical volume as its own device describes it.
type found struct {
	pv *PV
	vg *VG // the newest metadata on it, or nil
}

func (r *reader) member(m *volume.Member) *found {
	pv := &PV{Member: m, Device: m.Name}
	f := &found{pv: pv}
	l, err := readLabel(m.R, m.Size)
	if err != nil {
		pv.Problems = append(pv.Problems, err.Error())
		return f
	}
	pv.UUID, pv.Size, pv.InUse = hyphenate(l.uuid), l.size, l.used
	if len(l.data) > 0 {
		pv.Start = l.data[0].Offset
	}
	if len(l.bootloader) > 0 {
		pv.Bootloader = l.bootloader[0]
	}
	for _, at := range l.areas[:min(len(l.areas), maxAreas)] {
		a := readArea(m.R, at, m.Size)
		pv.Areas = append(pv.Areas, a)
		// LVM does not keep an ignored area up to date. What it has is better than nothing
		// only if there is nothing, which the other members decide.
		if a.Err == nil && a.text.size > 0 && !a.Ignored {
			f.add(r, a)
		}
		if a.Err != nil {
			pv.Problems = append(pv.Problems, a.Err.Error())
		}
	}
	return f
}

// add reads the text of an area, and keeps it if it is newer than what was found before.
func (f *found) add(r *reader, a *MetadataArea) {
	key := location{size: a.text.size, crc: a.text.crc}
	c := r.texts[key]
	if c == nil {
		c = &copyOf{}
		c.vg, c.err = r.text(f.pv.Member, a)
		// A damaged copy does not speak for the others that claim the same checksum.
		if c.err == nil {
			r.texts[key] = c
		}
	}
	if a.Err = c.err; c.err != nil {
		return
	}
	if f.vg == nil || c.vg.SeqNo > f.vg.SeqNo {
		f.vg = c.vg
	}
}

func (r *reader) text(m *volume.Member, a *MetadataArea) (*VG, error) {
	if r.bytes -= a.text.size; r.bytes < 0 {
		return nil, fmt.Errorf("the metadata of all physical volumes has more than %d bytes", int64(maxTexts))
	}
	b, err := a.read(m.R)
	if err != nil {
		return nil, err
	}
	return decodeVG(string(b), &r.nodes)
}
