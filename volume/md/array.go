package md

import "github.com/unboot/unboot/volume"

// States of a device of an array. The words are those of `mdadm --detail` where it has one.
const (
	StateActive      = "active sync"
	StateSpare       = "spare"
	StateRebuilding  = "spare rebuilding"
	StateReplacement = "replacement"
	StateJournal     = "journal"
	StateFaulty      = "faulty"
	StateStale       = "stale" // it was away while the others were written to
	StateRefused     = "refused"
)

// A Device is one that has a superblock of the array.
type Device struct {
	Member     *volume.Member
	Superblock *Superblock
	Role       int // its place among the array's devices, or Role…
	State      string
}

// An Array is what the metadata of an array say: the Info of a [volume.Volume].
type Array struct {
	// Superblock is that of the member that was written to last.
	*Superblock
	// Devices are those that were found, by their roles, and then spares, journals and
	// those that are left out.
	Devices []Device
	// Active counts the places with a device that has all its data, and Missing those
	// without.
	Active, Missing int
	// Spares counts the devices that fill no place.
	Spares int
	// Dirty says that it was not shut down cleanly.
	Dirty bool
}

// State is in the words of `mdadm --detail`: "clean", "active, degraded"…
func (a *Array) State() string {
	state := "clean"
	if a.Dirty {
		state = "active"
	}
	if a.Missing > 0 {
		state += ", degraded"
		if !a.complete() {
			state += ", FAILED"
		}
	}
	if a.Reshape != nil {
		state += ", reshaping"
	}
	return state
}

// complete reports whether the places that are filled have all the data.
func (a *Array) complete() bool {
	return enough(a.Level, a.Layout, a.filled())
}

// filled says of each place whether a device in sync is there.
func (a *Array) filled() []bool {
	filled := make([]bool, a.shape())
	for _, d := range a.Devices {
		if d.State == StateActive {
			filled[d.Role] = true
		}
	}
	return filled
}
