package lvm

import (
	"fmt"
	"slices"
	"strings"
)

// group joins physical volumes to groups. The newest text of each group counts.
func group(all []*found) *Layout {
	l := &Layout{}
	newest := map[string]*VG{}
	for _, f := range all {
		if f.vg != nil {
			vg := newest[f.vg.UUID]
			if vg == nil || f.vg.SeqNo > vg.SeqNo {
				newest[f.vg.UUID] = f.vg
			} else if f.vg != vg && f.vg.SeqNo == vg.SeqNo { // equal copies are one
				vg.Problems = append(vg.Problems, fmt.Sprintf("the copy of the metadata on %s differs, with the same sequence number %d", f.pv.Device, vg.SeqNo))
			}
		}
	}
	byUUID := map[string][]*found{}
	for _, f := range all {
		if f.pv.UUID != "" {
			byUUID[f.pv.UUID] = append(byUUID[f.pv.UUID], f)
		}
	}
	l.VGs = inOrder(all, newest)
	for _, vg := range l.VGs {
		for _, pv := range vg.PVs {
			vg.join(pv, byUUID[pv.UUID], newest)
		}
	}
	for _, f := range all {
		l.PVs = append(l.PVs, f.settle(byUUID[f.pv.UUID], newest))
	}
	for _, vg := range l.VGs {
		vg.settle()
	}
	l.name()
	return l
}

// inOrder returns the groups in the order of the first members that name them.
func inOrder(all []*found, newest map[string]*VG) (list []*VG) {
	for _, f := range all {
		if f.vg != nil && !slices.Contains(list, newest[f.vg.UUID]) {
			list = append(list, newest[f.vg.UUID])
		}
	}
	return list
}

// join gives a physical volume of the group its device. A member that has metadata of
// another group was moved there, if that group knows of it.
func (vg *VG) join(pv *PV, found []*found, newest map[string]*VG) {
	if len(found) > 1 {
		pv.duplicate = true
		var names []string
		for _, f := range found {
			names = append(names, f.pv.Device)
		}
		vg.refuse(fmt.Sprintf("physical volume %s is there %d times (%s): give one of the copies alone",
			pv.UUID, len(found), strings.Join(names, ", ")))
		return
	}
	if len(found) == 0 || found[0].pv.VG != nil {
		return
	}
	own := found[0]
	if own.vg != nil && own.vg.UUID != vg.UUID && newest[own.vg.UUID].pv(pv.UUID) != nil {
		return
	}
	hint := pv.Device
	pv.Member, pv.Device, pv.Areas, pv.InUse, pv.Problems = own.pv.Member, own.pv.Device, own.pv.Areas, own.pv.InUse, own.pv.Problems
	if pv.Size == 0 {
		pv.Size = own.pv.Size
	}
	if hint == "" || pv.Device == "" {
		pv.Device = hint + pv.Device
	}
	if own.vg != nil && own.vg.UUID == vg.UUID && own.vg.SeqNo < vg.SeqNo {
		pv.Problems = append(pv.Problems, fmt.Sprintf("its copy of the metadata of group %s is older: %d, and the newest is %d", vg.Name, own.vg.SeqNo, vg.SeqNo))
	}
	own.pv = pv
}

// refuse notes why nothing of the group is to be opened.
func (vg *VG) refuse(why string) {
	vg.Problems = append(vg.Problems, why)
	if vg.inactive == "" {
		vg.inactive = why
	}
}

func (vg *VG) pv(uuid string) *PV {
	if vg == nil {
		return nil
	}
	i := slices.IndexFunc(vg.PVs, func(pv *PV) bool { return pv.UUID == uuid })
	if i < 0 {
		return nil
	}
	return vg.PVs[i]
}

// settle returns the physical volume, after the groups have taken theirs, and says what is
// the matter with one that none has taken.
func (f *found) settle(same []*found, newest map[string]*VG) *PV {
	pv := f.pv
	switch {
	case pv.UUID == "" || pv.VG != nil:
	case len(same) > 1:
		pv.duplicate = true
		pv.Problems = append(pv.Problems, fmt.Sprintf("%d devices have the UUID %s of a physical volume", len(same), pv.UUID))
	case f.vg != nil:
		pv.Problems = append(pv.Problems, fmt.Sprintf("group %s does not know the physical volume any more", newest[f.vg.UUID].Name))
	case pv.InUse:
		pv.Problems = append(pv.Problems, "it is in a group whose metadata was not found")
	}
	return pv
}

// settle notes what is wrong with the group after its devices were found.
func (vg *VG) settle() {
	for _, pv := range vg.PVs {
		if pv.Member == nil && !pv.duplicate {
			vg.Problems = append(vg.Problems, pv.missing())
		}
	}
	if vg.Exported() {
		vg.refuse(fmt.Sprintf("group %s is exported: vgimport(8) makes it available", vg.Name))
	}
	vg.check()
}

// missing says in words that the physical volume is not there.
func (pv *PV) missing() string {
	s := fmt.Sprintf("physical volume %s (%s) is missing", pv.Name, pv.UUID)
	if pv.Device != "" {
		s += fmt.Sprintf("; it was %.128s", pv.Device)
	}
	return s
}

// name gives each group the name that paths have. The second of two groups with one name
// has its UUID appended: LVM leaves the choice to a person, but both are wanted here.
func (l *Layout) name() {
	taken := map[string]bool{}
	for _, vg := range l.VGs {
		if taken[vg.Name] {
			vg.Alias = vg.Name[:min(len(vg.Name), maxName-uuidLen-1)] + "_" + compact(vg.UUID)
			vg.Problems = append(vg.Problems, fmt.Sprintf("another group is called %s too: this one, with UUID %s, is shown as %s", vg.Name, vg.UUID, vg.Alias))
		}
		if taken[vg.Alias] {
			vg.refuse(fmt.Sprintf("two groups are called %s", vg.Alias))
		}
		taken[vg.Alias] = true
	}
}
