package lvm

import (
	"slices"
	"strings"
	"unicode"
)

// Attr returns the column lv_attr of lvs(8) for a volume that is active, or open, or not.
// What only a kernel knows is taken to be as it should be: all images are in sync, and no
// RAID has mismatches.
func (lv *LV) Attr(active, open bool) string {
	a := []rune("----------")
	a[0], a[1] = lv.attrType(active), lv.attrPermissions()
	if a[2] = policyLetter(lv.Allocation); lv.Has("LOCKED") {
		a[2] = unicode.ToUpper(a[2])
	}
	if lv.Has("FIXED_MINOR") {
		a[3] = 'm'
	}
	if active {
		a[4] = 'a'
	}
	if open {
		a[5] = 'o'
	}
	a[6] = lv.attrTarget()
	pool := lv.segment("thin-pool")
	if s := lv.segment("thin"); s != nil {
		pool = s.Pool.segment("thin-pool")
	}
	if pool != nil {
		if n, _ := pool.rest.int("zero_new_blocks", 1, 1); n == 1 {
			a[7] = 'z'
		}
	}
	switch {
	case lv.Partial:
		a[8] = 'p'
	case lv.Has("WRITEMOSTLY"):
		a[8] = 'w'
	case lv.Has("REMOVE_AFTER_RESHAPE"):
		a[8] = 'R'
	}
	if lv.Has("ACTIVATION_SKIP") {
		a[9] = 'k'
	}
	return string(a)
}

// attrType is what lvs(8) calls the volume type. What a volume is for another one comes
// before what it is itself, with the exceptions that the order here shows.
func (lv *LV) attrType(active bool) rune {
	sync := func(in, out rune) rune {
		if lv.Has("NOTSYNCED") {
			return out
		}
		return in
	}
	switch {
	case lv.Has("PVMOVE"):
		return 'p'
	case lv.external || len(lv.Snapshots) > 0:
		if slices.ContainsFunc(lv.Snapshots, func(s *Snapshot) bool { return s.Merging }) {
			return 'O'
		}
		return 'o'
	case lv.role == thinMeta, lv.role == cacheMeta, lv.role == raidMeta, lv.role == integrityMeta, lv.role == spare:
		return 'e'
	case lv.segment("cache", "cache-pool", "writecache") != nil, lv.role == cacheData, lv.role == cacheVolume:
		return 'C'
	case lv.segment("integrity") != nil:
		return 'g'
	case lv.raid():
		return sync('r', 'R')
	case lv.segment("mirror") != nil:
		return sync('m', 'M')
	case lv.segment("thin") != nil:
		switch {
		case lv.MergedFrom != nil:
			return 'O'
		case lv.Segments[0].Merge != nil:
			return 'S'
		}
		return 'V'
	case lv.segment("vdo-pool") != nil:
		return 'd'
	case lv.role == vdoData:
		return 'D'
	case lv.segment("error", "zero", "vdo") != nil:
		return 'v'
	case lv.segment("thin-pool") != nil:
		return 't'
	case lv.role == thinData:
		return 'T'
	case lv.role == mirrorImage, lv.role == raidImage:
		if active && !lv.Visible() {
			return 'i'
		}
		return 'I'
	case lv.role == mirrorLog:
		return 'l'
	case lv.stores():
		if lv.Snapshot.Merging {
			return 'S'
		}
		return 's'
	case lv.role == cacheOrigin, lv.role == writecacheOrigin:
		return 'o'
	}
	return '-'
}

func (lv *LV) attrPermissions() rune {
	switch {
	case lv.Has("PVMOVE"):
	case lv.Has("WRITE"):
		return 'w'
	case lv.Has("READ"):
		return 'r'
	}
	return '-'
}

// attrTarget is what lvs(8) calls the target type.
func (lv *LV) attrTarget() rune {
	switch {
	case lv.segment("thin-pool", "thin") != nil:
		return 't'
	case lv.segment("cache", "cache-pool", "writecache") != nil,
		lv.role == cacheVolume, lv.role == cacheOrigin, lv.role == writecacheOrigin:
		return 'C'
	case lv.raid(), lv.role == raidImage, lv.role == raidMeta:
		return 'r'
	case lv.segment("mirror") != nil, lv.role == mirrorImage, lv.role == mirrorLog, lv.Has("PVMOVE"):
		return 'm'
	case len(lv.Snapshots) > 0, lv.stores():
		return 's'
	case lv.segment("error", "zero", "vdo") != nil:
		return 'v'
	}
	for _, s := range lv.Segments {
		if !known(s.Type) {
			return 'u'
		}
	}
	return '-'
}

func (lv *LV) raid() bool {
	return len(lv.Segments) > 0 && strings.HasPrefix(lv.Segments[0].Type, "raid")
}

// known reports whether the package has a table for a type of segments.
func known(kind string) bool {
	_, raid := parity[kind]
	_, other := modules[kind]
	return raid || other
}

// policyLetter returns the letter of an allocation policy: see lvm(8).
func policyLetter(policy string) rune {
	switch policy {
	case "contiguous", "normal", "anywhere", "inherit":
		return rune(policy[0])
	case "cling":
		return 'l'
	}
	return '-'
}

// Attr returns the column vg_attr of vgs(8).
func (vg *VG) Attr() string {
	a := []rune("r-----")
	for i, letter := range []struct {
		is     bool
		letter rune
	}{
		{slices.Contains(vg.Status, "WRITE") || slices.Contains(vg.Status, "WRITE_LOCKED"), 'w'},
		{slices.Contains(vg.Status, "RESIZEABLE"), 'z'},
		{vg.Exported(), 'x'},
		{slices.ContainsFunc(vg.PVs, func(pv *PV) bool { return pv.Member == nil }), 'p'},
		{true, policyLetter(vg.Allocation)},
		{vg.LockType != "" && vg.LockType != "none", 's'},
	} {
		if letter.is {
			a[i] = letter.letter
		}
	}
	if slices.Contains(vg.Status, "CLUSTERED") {
		a[5] = 'c'
	}
	return string(a)
}

// Attr returns the column pv_attr of pvs(8).
func (pv *PV) Attr() string {
	a := []rune("---")
	switch {
	case pv.duplicate:
		a[0] = 'd'
	case slices.Contains(pv.Status, "ALLOCATABLE"):
		a[0] = 'a'
	case pv.InUse:
		a[0] = 'u'
	}
	if slices.Contains(pv.Status, "EXPORTED") {
		a[1] = 'x'
	}
	if pv.VG != nil && pv.Member == nil {
		a[2] = 'm'
	}
	return string(a)
}
