package md

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Levels that are not numbers of RAID.
const (
	Linear    = -1
	Multipath = -4
	Faulty    = -5
)

// Roles of devices that are not one of the array's places.
const (
	RoleSpare   = -1
	RoleJournal = -2
	RoleFaulty  = -3
)

// Features of superblocks of version 1, as md_p.h names them.
const (
	FeatureBitmap           = 0x1
	FeatureRecoveryOffset   = 0x2
	FeatureReshape          = 0x4
	FeatureBadBlocks        = 0x8
	FeatureReplacement      = 0x10
	FeatureReshapeBackwards = 0x20
	FeatureNewOffset        = 0x40
	FeatureRecoveryBitmap   = 0x80
	FeatureClustered        = 0x100
	FeatureJournal          = 0x200
	FeaturePPL              = 0x400
	FeatureMultiplePPLs     = 0x800
	FeatureRAID0Layout      = 0x1000

	featuresKnown = 0x1fff
)

// A UUID is the identity of an array or of a device, in the order of mdadm's digits.
type UUID [16]byte

// String spells it as mdadm(8) does: "3aa88d8a:98a64b01:e1c4a1d2:9b0f7a3c".
func (u UUID) String() string { return fmt.Sprintf("%x:%x:%x:%x", u[:4], u[4:8], u[8:12], u[12:]) }

// A Superblock is what one member says of itself and of its array, in either version.
type Superblock struct {
	Major, Minor int  // 0.90 (0.91 while it is reshaped), or 1.0 to 1.2; -1 in a container
	BigEndian    bool // it is a 0.90 of a machine of that order
	Offset       int64
	Checksum     uint32

	// Container is the format of metadata that are not MD's own: "ddf" or "imsm". Then the
	// rest is what they say in the terms of MD.
	Container string

	UUID             UUID
	Name             string // "host:name"; 0.90 has none
	Created, Updated time.Time
	Level, Layout    int   // see LevelName and LayoutName
	Chunk            int64 // in bytes
	RaidDisks        int   // the larger number, while it changes
	// Size is how much of each member is used, in bytes. Levels whose members may differ
	// in size do not use it.
	Size           int64
	Features       uint32 // of version 1
	PreferredMinor int    // the number of /dev/mdN in a 0.90, or -1

	// DataOffset and DataSize are where the data may lie on this member, in bytes.
	DataOffset, DataSize int64
	Number               int  // of the member, by which Roles is indexed
	Device               UUID // of the member; 0.90 has none
	WriteMostly          bool
	FailFast             bool
	Replacement          bool  // it is being filled to replace another of its role
	RecoveryOffset       int64 // up to where a recovery has come, in bytes; -1 if it is in sync
	BitmapOffset         int64 // from the superblock, in bytes; 0 without a bitmap
	BadBlocks            []Range

	Events uint64
	// ResyncOffset is up to where the members are known to agree, in bytes of each; -1
	// if the array was shut down cleanly.
	ResyncOffset int64
	// Roles are the places of all members by their numbers, or Role….
	Roles   []int
	Reshape *Reshape
}

// A Range is a part of a member, in bytes.
type Range struct{ Offset, Length int64 }

// A Reshape is what a change of the array's shape leads to, if one is going on.
type Reshape struct {
	Position             int64 // in bytes of the array
	DeltaDisks           int
	NewLevel, NewLayout  int
	NewChunk             int64
	Backwards            bool
	NewDataOffset        int64
	OldDisks, TotalDisks int
}

// Version is that of the superblock, such as "1.2" or "imsm", as mdadm(8) prints it.
func (sb *Superblock) Version() string {
	if sb.Container != "" {
		return sb.Container
	}
	if sb.Major == 0 {
		return fmt.Sprintf("0.%02d", sb.Minor)
	}
	return fmt.Sprintf("%d.%d", sb.Major, sb.Minor)
}

// Role is the member's place in the array, or Role….
func (sb *Superblock) Role() int {
	if sb.Number < 0 || sb.Number >= len(sb.Roles) {
		return RoleSpare
	}
	return sb.Roles[sb.Number]
}

// shape is the number of places, the larger one while it changes.
func (sb *Superblock) shape() int {
	if sb.Reshape != nil {
		return sb.Reshape.TotalDisks
	}
	return sb.RaidDisks
}

// Clean reports whether the array was shut down cleanly.
func (sb *Superblock) Clean() bool { return sb.ResyncOffset < 0 }

var (
	errNone     = errors.New("there is none")
	errChecksum = errors.New("its checksum is wrong")
)

// Read returns the superblock of a device of size bytes. If it has several, it is the one of
// the array that was created last, as with mdadm. The error says what is wrong with the
// superblock that is there.
func Read(r io.ReaderAt, size int64) (*Superblock, error) {
	var best *Superblock
	var firstErr error
	for _, read := range []func(io.ReaderAt, int64) (*Superblock, error){
		read0,
		func(r io.ReaderAt, size int64) (*Superblock, error) { return read1(r, size, 0) },
		func(r io.ReaderAt, size int64) (*Superblock, error) { return read1(r, size, 1) },
		func(r io.ReaderAt, size int64) (*Superblock, error) { return read1(r, size, 2) },
	} {
		sb, err := read(r, size)
		switch {
		case err == nil && (best == nil || sb.Created.After(best.Created)):
			best = sb
		case err != nil && !errors.Is(err, errNone) && firstErr == nil:
			firstErr = err
		}
	}
	if best != nil {
		return best, nil
	}
	if firstErr == nil {
		firstErr = errNone
	}
	return nil, firstErr
}

// readAt returns n bytes at off. A device that is too short has no superblock there.
func readAt(r io.ReaderAt, size, off int64, n int) ([]byte, error) {
	if off < 0 || off > size-int64(n) {
		return nil, errNone
	}
	b := make([]byte, n)
	if got, err := r.ReadAt(b, off); got < n {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	return b, nil
}
