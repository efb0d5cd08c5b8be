package md

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/volume"
)

func itoa(n int) string { return strconv.Itoa(n) }

// number reports whether text is a number as it would be printed.
func number(text string) bool {
	n, err := strconv.ParseUint(text, 10, 20)
	return err == nil && strconv.FormatUint(n, 10) == text
}

// start reports why the array cannot be started, in words, or "".
func (a *Array) start(env *volume.Env, clones string) string {
	if err := checkShape(a.Level, a.Layout, a.RaidDisks, a.Chunk); err != nil {
		return err.Error()
	}
	if clones != "" {
		return clones
	}
	if a.Active == 0 {
		return "no device of the array is an active member"
	}
	if a.Missing > 0 && !a.complete() {
		return fmt.Sprintf("%d of the %d devices of the %s are missing (%s), more than it can do without",
			a.Missing, a.shape(), LevelName(a.Level), a.missing())
	}
	if a.Missing > 0 && a.unsure() && (env == nil || !env.ForceDirty) {
		return "it is degraded and was not shut down cleanly: what is computed from parity may be wrong where it was being written to, so only the option force-dirty starts it"
	}
	if a.has(FeatureJournal) && !a.journal() && a.Dirty && (env == nil || !env.ForceDirty) {
		return "its journal device is missing and it was not shut down cleanly"
	}
	if a.Level == 0 && a.zones() > 1 && a.Layout != 1 && a.Layout != 2 {
		return "its devices differ in size, and its superblocks do not say which of the two layouts of RAID0 they have (see RAID0 in md(4))"
	}
	return ""
}

// unsure reports whether what parity is needed for may be wrong.
func (a *Array) unsure() bool {
	if !a.Dirty || a.Level < 4 || a.Level > 6 || a.has(FeaturePPL|FeatureMultiplePPLs) || a.journal() {
		return false
	}
	filled := a.filled()
	return !(a.Level == 4 && a.Missing == 1 && !filled[len(filled)-1])
}

// journal reports whether there is the device that has the array's journal.
func (a *Array) journal() bool {
	for _, d := range a.Devices {
		if d.State == StateJournal {
			return true
		}
	}
	return false
}

// missing names the places that no device fills.
func (a *Array) missing() string {
	var list []string
	for i, ok := range a.filled() {
		if !ok && len(list) < 8 {
			list = append(list, itoa(i))
		}
	}
	return strings.Join(list, ", ")
}

// zones counts the different sizes of the members of a RAID0, in whole chunks. The order of
// the chunks is in doubt only where there are several, and more than one device in the second.
func (a *Array) zones() int {
	sizes := map[int64]int{}
	for _, d := range a.Devices {
		if d.State == StateActive {
			sizes[d.Superblock.DataSize/a.Chunk]++
		}
	}
	if len(sizes) <= 1 {
		return len(sizes)
	}
	smallest, rest := int64(-1), 0
	for n := range sizes {
		if smallest < 0 || n < smallest {
			smallest = n
		}
	}
	for n, count := range sizes {
		if n > smallest {
			rest += count
		}
	}
	if rest == 1 {
		return 1
	}
	return len(sizes)
}

// plan is how the kernel assembles the array.
func (a *Array) plan() *volume.Array {
	p := &volume.Array{
		Number: -1, Major: a.Major, Minor: a.Minor, Level: a.Level, Layout: a.Layout, Chunk: a.Chunk,
		RaidDisks: a.RaidDisks, Dirty: a.Dirty, Degraded: a.Missing,
	}
	if a.Level > 0 {
		p.Size = a.Size
	}
	for _, d := range a.Devices {
		switch d.State {
		case StateActive, StateRebuilding, StateReplacement, StateSpare, StateJournal:
			p.Slots = append(p.Slots, volume.Slot{
				Base: d.Member, Role: d.Role, Offset: d.Superblock.DataOffset, Size: d.Superblock.DataSize,
			})
		}
	}
	return p
}

// size is that of the array, in bytes.
func (a *Array) size() int64 {
	var given []int64
	for _, d := range a.Devices {
		if d.State == StateActive {
			given = append(given, d.Superblock.DataSize)
		}
	}
	disks := a.RaidDisks
	if a.Reshape != nil {
		// The new room is there only when all is moved.
		disks = min(disks, a.Reshape.OldDisks)
	}
	return capacity(a.Level, a.Layout, disks, a.Chunk, a.Size, given)
}

// describe notes what a user should know of an array, whether it can be started or not.
func (a *Array) describe(v *volume.Volume) {
	if a.Missing > 0 && v.Array != nil {
		note(&v.Problems, "degraded: %d of %d devices missing (%s)", a.Missing, a.shape(), a.missing())
	}
	if a.Reshape != nil {
		note(&v.Problems, "it is being reshaped, and has come to byte %d: it can only be read", a.Reshape.Position)
	}
	if a.has(FeatureJournal) && !a.journal() {
		note(&v.Problems, "its journal device is missing")
	}
	for _, d := range a.Devices {
		if n := len(d.Superblock.BadBlocks); n > 0 && d.State != StateRefused && d.State != StateStale {
			note(&d.Member.Problems, "%s: its md superblock lists %d ranges that could not be written", d.Member.Name, n)
		}
	}
}
