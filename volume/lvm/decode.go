package lvm

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Bounds on a group. LVM stores the numbers of extents in 32 bits.
const (
	maxPVs     = 4096
	maxLVs     = 1 << 14
	maxExtents = math.MaxUint32
	maxSectors = math.MaxInt64 / sector / 2
)

// decodeVG reads the text of a group's metadata. What is wrong with one of its volumes is
// noted there; the error is for what makes the text useless.
func decodeVG(s string, nodes *int) (*VG, error) {
	root, err := parseText(s, nodes)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(root.list, func(n node) bool { return n.kind == section })
	if i < 0 {
		return nil, errors.New("the metadata describes no group")
	}
	n := &root.list[i]
	vg := &VG{
		Name: n.key, Alias: n.key, Text: s,
		Format:   n.text("format"),
		Status:   append(n.words("status"), n.words("flags")...),
		SystemID: n.text("system_id"), LockType: n.text("lock_type"), LockArgs: n.text("lock_args"),
		Allocation: n.text("allocation_policy"), Tags: n.words("tags"),
		Host: root.text("creation_host"), Description: root.text("description"),
	}
	vg.Time, _ = root.int("creation_time", 0, math.MaxInt64)
	vg.MaxLV, _ = n.int("max_lv", 0, math.MaxUint32)
	vg.MaxPV, _ = n.int("max_pv", 0, math.MaxUint32)
	if vg.Allocation == "" {
		vg.Allocation = "normal"
	}
	id := compact(n.text("id"))
	seq, ok := n.int("seqno", 0, math.MaxUint32)
	extent, okExtent := n.int("extent_size", 1, math.MaxUint32)
	switch {
	case !validName(vg.Name):
		return nil, fmt.Errorf("the group's name %.128q is not allowed", vg.Name)
	case id == "":
		return nil, fmt.Errorf("group %s has no UUID", vg.Name)
	case !ok:
		return nil, fmt.Errorf("group %s has no sequence number", vg.Name)
	case !okExtent:
		return nil, fmt.Errorf("group %s has no size of extents", vg.Name)
	}
	vg.UUID, vg.SeqNo, vg.ExtentSize = hyphenate(id), seq, extent*sector
	pvs, lvs := n.sections("physical_volumes"), n.sections("logical_volumes")
	if len(pvs) > maxPVs || len(lvs) > maxLVs {
		return nil, fmt.Errorf("group %s has %d physical and %d logical volumes, and %d and %d are the limits",
			vg.Name, len(pvs), len(lvs), maxPVs, maxLVs)
	}
	vg.decodePVs(pvs)
	vg.decodeLVs(lvs)
	return vg, nil
}

func (vg *VG) decodePVs(sections []*node) {
	names, ids := map[string]bool{}, map[string]bool{}
	for _, n := range sections {
		id := compact(n.text("id"))
		start, okStart := n.int("pe_start", 0, maxSectors)
		extents, okExtents := n.int("pe_count", 0, maxExtents)
		size, _ := n.int("dev_size", 0, maxSectors)
		if id == "" || !okStart || !okExtents || extents > maxSectors*sector/vg.ExtentSize || names[n.key] || ids[id] {
			vg.Problems = append(vg.Problems, fmt.Sprintf("the metadata of physical volume %.128q is wrong", n.key))
			continue
		}
		names[n.key], ids[id] = true, true
		pv := &PV{
			Name: n.key, UUID: hyphenate(id), VG: vg, Device: n.text("device"),
			Size: size * sector, Start: start * sector, Extents: extents,
			Status: append(n.words("status"), n.words("flags")...), Tags: n.words("tags"),
			DeviceID: n.text("device_id"), DeviceIDType: n.text("device_id_type"),
		}
		from, _ := n.int("ba_start", 0, maxSectors)
		length, _ := n.int("ba_size", 0, maxSectors)
		pv.Bootloader = Extent{from * sector, length * sector}
		vg.PVs = append(vg.PVs, pv)
	}
}

// decodeLVs makes all volumes before it reads their segments, which refer to others by name.
func (vg *VG) decodeLVs(sections []*node) {
	d := &decoder{vg: vg, pvs: map[string]*PV{}, lvs: map[string]*LV{}}
	for _, pv := range vg.PVs {
		d.pvs[pv.Name] = pv
	}
	var nodes []*node
	ids := map[string]bool{}
	for _, n := range sections {
		id := compact(n.text("id"))
		if id == "" || ids[id] || d.lvs[n.key] != nil || !validName(n.key) {
			vg.Problems = append(vg.Problems, fmt.Sprintf("the metadata of logical volume %.128q is wrong: its name or its UUID", n.key))
			continue
		}
		ids[id] = true
		d.lvs[n.key] = vg.newLV(n, id)
		vg.LVs = append(vg.LVs, d.lvs[n.key])
		nodes = append(nodes, n)
	}
	for i, lv := range vg.LVs {
		d.segments(lv, nodes[i])
	}
	vg.names = d.lvs
	vg.link()
}

func (vg *VG) newLV(n *node, id string) *LV {
	lv := &LV{
		Name: n.key, UUID: hyphenate(id), VG: vg, Major: -1, Minor: -1,
		Status:     append(n.words("status"), n.words("flags")...),
		Allocation: n.text("allocation_policy"), Tags: n.words("tags"), Host: n.text("creation_host"),
	}
	if lv.Allocation == "" {
		lv.Allocation = "inherit"
	}
	lv.Time, _ = n.int("creation_time", 0, math.MaxInt64)
	lv.ReadAhead, _ = n.int("read_ahead", 0, math.MaxUint32)
	if n.text("read_ahead") == "none" {
		lv.ReadAhead = -1
	}
	if minor, ok := n.int("minor", 0, math.MaxUint32); ok && lv.Has("FIXED_MINOR") {
		lv.Minor = minor
		if major, ok := n.int("major", 0, math.MaxUint32); ok {
			lv.Major = major
		}
	}
	// The flag that older versions of LVM are not to understand means the same as the word.
	if lv.Has("WRITE_LOCKED") {
		lv.Status = append(lv.Status, "WRITE")
	}
	return lv
}
