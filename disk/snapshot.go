package disk

import (
	"errors"
	"fmt"
	"time"
)

// A Snapshot is a state of a disk that its image keeps beside the current one.
type Snapshot struct {
	// ID tells the snapshots of an image apart. It need not be a number.
	ID string
	// Name is what the user has called it. Other programs allow several of one name, and
	// snapshots without one.
	Name string
	Date time.Time // when it was made
	// Size of the disk, in bytes, as it was then.
	Size int64
	// VMStateSize is how many bytes of the memory of a virtual machine, and of its devices,
	// are kept with it, or 0 if there are none.
	VMStateSize int64
	// VMClock is how long the virtual machine had run.
	VMClock time.Duration
}

// A Snapshotter keeps states of the disk in the image itself. Where a snapshot is wanted by
// its name, that is the name that it alone has, or else its ID; errors wrap
// [ErrNoSnapshot] if there is none. What changes snapshots makes stable what has been written
// to the disk before, and is stable itself when it returns. The device is open for writing.
type Snapshotter interface {
	// Snapshots returns all snapshots, in the order in which the image has them.
	Snapshots() ([]Snapshot, error)
	// CreateSnapshot keeps the current state of the disk, under a name that no other has
	// (the error wraps fs.ErrExist if one does). Of s, only Name and Date are looked at; a
	// zero Date is now. It returns the snapshot as it is then.
	CreateSnapshot(s Snapshot) (Snapshot, error)
	// DeleteSnapshot forgets a snapshot. The disk stays as it is.
	DeleteSnapshot(name string) error
	// ApplySnapshot makes the disk what it was in a snapshot, its size included. What it
	// was before is lost, if no other snapshot has it.
	ApplySnapshot(name string) error
}

var (
	// ErrNoSnapshot is returned for a snapshot that an image does not have.
	ErrNoSnapshot = errors.New("there is no such snapshot")
	// ErrNoSnapshots is for what is not a [Snapshotter].
	ErrNoSnapshots = errors.New("an image in this format has no snapshots")
)

// FindSnapshot returns the index of the snapshot with a name or, if none has it, with an ID.
func FindSnapshot(list []Snapshot, name string) (int, error) {
	found, several := -1, false
	for i, s := range list {
		if s.Name == name {
			several = found >= 0
			found = i
		}
		if several {
			return -1, fmt.Errorf("snapshot %q: several have this name; name it by its ID", name)
		}
	}
	for i := 0; i < len(list) && found < 0; i++ {
		if list[i].ID == name {
			found = i
		}
	}
	if found < 0 {
		return -1, fmt.Errorf("snapshot %q: %w", name, ErrNoSnapshot)
	}
	return found, nil
}
