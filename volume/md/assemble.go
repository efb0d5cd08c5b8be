package md

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// assemble plans an array of the devices that have its UUID.
func assemble(devices []device, env *volume.Env) *volume.Volume {
	v := &volume.Volume{UUID: devices[0].sb.UUID.String()}
	a := &Array{}
	v.Info = a
	var whole []device
	for _, d := range devices {
		if err := fits(d.sb, d.m.Size); err != "" {
			a.refuse(d, "%s", err)
		} else {
			whole = append(whole, d)
		}
	}
	freshest := freshest(whole)
	if freshest == nil {
		a.Superblock = devices[0].sb
	} else {
		a.Superblock = freshest.sb
	}
	v.Kind = LevelName(a.Level)
	v.Nodes = nodes(a.Superblock)
	for _, d := range whole {
		a.judge(freshest, d)
	}
	clones := a.settle()
	slices.SortStableFunc(a.Devices, byRank)
	a.count()
	a.finish(v, env, clones)
	return v
}

// finish plans the array if it can be started, and says what there is to know of it.
func (a *Array) finish(v *volume.Volume, env *volume.Env, clones string) {
	if err := a.start(env, clones); err != "" {
		note(&v.Problems, "%s", err)
		for _, d := range a.Devices {
			v.Bases = append(v.Bases, d.Member)
		}
	} else {
		v.Array = a.plan()
		v.Size = a.size()
		v.ReadOnly = a.Reshape != nil
	}
	a.describe(v)
}

// freshest is the active device with the highest count of events, the first of equals.
func freshest(devices []device) *device {
	var best *device
	for i, d := range devices {
		if d.sb.Role() >= 0 && !d.sb.Replacement && (best == nil || d.sb.Events > best.sb.Events) {
			best = &devices[i]
		}
	}
	return best
}

// refuse notes a device that cannot be used, and why.
func (a *Array) refuse(d device, format string, args ...any) {
	note(&d.m.Problems, d.m.Name+": "+format, args...)
	a.Devices = append(a.Devices, Device{d.m, d.sb, d.sb.Role(), StateRefused})
}

// judge decides what a device is in the array.
func (a *Array) judge(freshest *device, d device) {
	sb := d.sb
	// The kernel compares these, and does not take a device that differs.
	if sb.Level != a.Level || sb.Layout != a.Layout || sb.Chunk != a.Chunk ||
		(sb.RaidDisks != a.RaidDisks || sb.Size != a.Size) && sb.Events == a.Events {
		a.refuse(d, "its md superblock describes another shape of the array than that of the other members")
		return
	}
	out := Device{Member: d.m, Superblock: sb, Role: sb.Role()}
	if freshest != nil && out.Role != RoleSpare && out.Role != RoleFaulty && a.stale(freshest, &out) {
		out.State = StateStale
		a.Devices = append(a.Devices, out)
		return
	}
	if sb.Events < a.Events && sb.Major == 1 && (out.Role >= 0 || out.Role == RoleJournal) && sb.Number < len(a.Roles) {
		out.Role = a.Roles[sb.Number] // its own was written before the last change
	}
	switch role := out.Role; {
	case role == RoleFaulty:
		out.State = StateFaulty
		note(&d.m.Problems, "%s: left out of the array, which has it as failed", d.m.Name)
	case role == RoleSpare:
		out.State = StateSpare
	case role == RoleJournal && !a.has(FeatureJournal):
		a.refuse(d, "it is the journal of an array that uses none")
		return
	case role == RoleJournal:
		out.State = StateJournal
	case role >= a.shape():
		a.refuse(d, "its place %d in the array is beyond the %d that there are", role, a.shape())
		return
	case a.Level > 0 && a.Size > sb.DataSize:
		a.refuse(d, "it has less room than the array takes of it")
		return
	case sb.Replacement:
		out.State = StateReplacement
	case sb.RecoveryOffset >= 0:
		out.State = StateRebuilding
	default:
		out.State = StateActive
	}
	a.Devices = append(a.Devices, out)
}

// stale reports whether a device has been away. As the kernel and mdadm have it, it may
// have missed the last update.
func (a *Array) stale(freshest *device, d *Device) bool {
	problems, name := &d.Member.Problems, d.Member.Name
	switch events := d.Superblock.Events; {
	case events+1 < a.Events || events > a.Events:
		note(problems, "%s: left out of the array, as it has seen %d events and others %d", name, events, a.Events)
		return true
	case d.Member != freshest.m && !slices.Contains(d.Superblock.Roles, freshest.sb.Role()):
		// It has gone its own way since.
		note(problems, "%s: left out of the array, as it reports %s as failed", name, freshest.m.Name)
		return true
	}
	return false
}

// fits checks the ranges of a superblock against the size of the device. It returns what is
// wrong, in words.
func fits(sb *Superblock, size int64) string {
	end := size
	if sb.Offset >= sb.DataOffset && (sb.Major == 0 || sb.Minor == 0) {
		end = sb.Offset
	}
	switch {
	case sb.DataSize < 10*512:
		return "the md superblock leaves no room for data"
	case sb.DataOffset > end || sb.DataSize > end-sb.DataOffset:
		return "it is smaller than its md superblock says"
	case sb.Minor > 0 && sb.Major == 1 && sb.DataOffset < sb.Offset+super1Head:
		return "its data would lie on its md superblock"
	}
	return ""
}

// settle sees to it that each place has one device. The newest wins; between equals nothing
// decides, and then the array cannot be started: it returns what is wrong.
func (a *Array) settle() (clones string) {
	best := map[[2]any]int{}
	for i, d := range a.Devices {
		if d.Role < 0 && d.Role != RoleJournal || d.State == StateStale || d.State == StateRefused || d.State == StateFaulty {
			continue
		}
		place := [2]any{d.Role, d.State == StateReplacement}
		j, taken := best[place]
		other := &a.Devices[max(0, j)]
		switch {
		case !taken || d.Superblock.Events > other.Superblock.Events:
			best[place] = i
			if taken {
				other.State = StateStale
				note(&other.Member.Problems, "%s: left out of the array, as %s has the same place and is newer", other.Member.Name, d.Member.Name)
			}
		case d.Superblock.Events < other.Superblock.Events:
			a.Devices[i].State = StateStale
			note(&d.Member.Problems, "%s: left out of the array, as %s has the same place and is newer", d.Member.Name, other.Member.Name)
		case d.Superblock.Checksum == other.Superblock.Checksum:
			clones = d.Member.Name + " and " + other.Member.Name + " are copies of the same member: give only one of them"
		default:
			clones = d.Member.Name + " and " + other.Member.Name + " claim the same place in the array"
		}
	}
	return clones
}

// byRank orders devices: by place, then the others.
func byRank(x, y Device) int { return cmp.Compare(rank(x), rank(y)) }

func rank(d Device) int {
	switch d.State {
	case StateActive:
		return 4 * d.Role
	case StateRebuilding, StateReplacement:
		return 4*d.Role + 1
	case StateJournal:
		return 8 * maxDisks
	case StateSpare:
		return 8*maxDisks + 1
	}
	return 8*maxDisks + 2
}

func (a *Array) count() {
	for _, ok := range a.filled() {
		if ok {
			a.Active++
		} else {
			a.Missing++
		}
	}
	for _, d := range a.Devices {
		switch d.State {
		case StateSpare:
			a.Spares++
		case StateActive:
			a.Dirty = a.Dirty || !d.Superblock.Clean()
		}
	}
	if a.Level <= 0 {
		a.Dirty = false // nothing in it could disagree
	}
}

// nodes are the paths of an array, as an mdadm makes them that does not know its host: the
// name with the host's, and then what it is called at home.
func nodes(sb *Superblock) []string {
	if sb.Major == 0 {
		n := sb.PreferredMinor
		if n < 0 || n > 1<<20 {
			return nil
		}
		return []string{"/dev/md/" + itoa(n) + "_0", "/dev/md/" + itoa(n), "/dev/md" + itoa(n)}
	}
	full := strings.NewReplacer("/", "-", " ", "_", "\t", "_").Replace(sb.Name)
	if full == "" {
		return nil
	}
	host, home, ok := strings.Cut(full, ":")
	if !ok {
		host, home = "", full
	}
	list := []string{"/dev/md/" + full}
	if host == "" {
		list[0] += "_0"
	}
	if home == "" || home == "." || home == ".." {
		return list
	}
	list = append(list, "/dev/md/"+home)
	if n := strings.TrimPrefix(home, "md"); number(n) {
		list = append(list, "/dev/md"+n)
	}
	return list
}
