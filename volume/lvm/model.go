package lvm

import (
	"slices"

	"github.com/unboot/unboot/volume"
)

// A VG is a volume group, as the newest copy of its metadata describes it.
type VG struct {
	Name string
	// Alias is how the group is called in paths: Name, or NAME_UUID if the name is taken.
	Alias string
	UUID  string // with hyphens
	SeqNo int64  // how often the metadata has been changed
	// Format is "lvm2".
	Format string
	// Status has the words of the metadata: "RESIZEABLE", "READ", "WRITE", "EXPORTED",
	// "CLUSTERED"… Those of its flags are among them.
	Status []string
	// SystemID names the host that the group belongs to, or is "". See lvmsystemid(7).
	SystemID string
	// LockType is the lock manager of a shared group, or "". See lvmlockd(8).
	LockType, LockArgs string
	ExtentSize         int64 // in bytes
	MaxLV, MaxPV       int64 // 0 if there is no limit
	// Allocation is the policy for new extents: "normal", "contiguous"…
	Allocation string
	Tags       []string
	// Host and Time say where and when (in seconds since 1970) the metadata was written,
	// Description by which command.
	Host, Description string
	Time              int64

	PVs []*PV
	LVs []*LV

	// Text is the metadata as it is on disk.
	Text string
	// Problems says in words what is wrong with the group as a whole.
	Problems []string

	names    map[string]*LV
	inactive string // why none of its volumes is to be opened
}

// Exported reports whether the group is on its way to another host: see vgexport(8).
func (vg *VG) Exported() bool { return slices.Contains(vg.Status, "EXPORTED") }

// LV returns the logical volume of a name, or nil.
func (vg *VG) LV(name string) *LV { return vg.names[name] }

// A PV is a physical volume.
type PV struct {
	// Name is how the metadata of the group calls it: "pv0". It is "" without a group.
	Name string
	UUID string // with hyphens
	VG   *VG    // nil if it is in no group
	// Member is the device, or nil if it is missing. Device is its name, or, if it is
	// missing, the name that it had when the metadata was written.
	Member *volume.Member
	Device string
	// Size is that of the device according to the metadata, or else the label, in bytes.
	Size         int64
	Start        int64 // of the first extent, in bytes
	Extents      int64
	Allocated    int64    // extents that logical volumes lie on
	Status       []string // "ALLOCATABLE", "EXPORTED", "MISSING"
	Tags         []string
	DeviceID     string // as lvmdevices(8) knows it
	DeviceIDType string
	Bootloader   Extent
	Areas        []*MetadataArea
	InUse        bool // the label says that it is in a group
	Problems     []string

	duplicate bool // other members have its UUID too
}

// An LV is a logical volume.
type LV struct {
	Name string
	UUID string // with hyphens
	VG   *VG
	Size int64 // in bytes
	// Status has the words of the metadata: "READ", "WRITE", "VISIBLE", "LOCKED"… Those
	// of its flags ("ACTIVATION_SKIP") and of its segments' types are among them.
	Status     []string
	Allocation string
	ReadAhead  int64 // in sectors; -1 is "none", and 0 is "auto"
	Tags       []string
	Host       string // where it was made
	Time       int64  // when, in seconds since 1970
	// Major and Minor are the numbers that the device is to have, or -1.
	Major, Minor int64
	Segments     []*Segment

	// Snapshot is set if the volume holds the changes of a snapshot of the older kind.
	Snapshot *Snapshot
	// Snapshots are those of this volume, of the older kind.
	Snapshots []*Snapshot
	// MergedFrom is the thin snapshot that is to replace what is in this thin volume.
	MergedFrom *LV
	// Users are the volumes that lie on this one.
	Users []*LV
	// Partial says that it lies on a physical volume that is missing.
	Partial bool
	// Problems says in words what is wrong with it.
	Problems []string

	role     role
	external bool  // thin volumes begin as copies of it
	pending  bool  // the pool was not told yet to make it
	broken   error // why it cannot be opened, by what the metadata says
}

// A Snapshot is a snapshot of the older kind: Store holds what was in Origin before it
// changed.
type Snapshot struct {
	Origin, Store *LV
	ChunkSize     int64 // in bytes
	Merging       bool  // it is about to replace what is in the origin
	extents       int64
}

// Has reports whether the volume has a word in its status.
func (lv *LV) Has(word string) bool { return slices.Contains(lv.Status, word) }

// Visible reports whether lvs(8) lists the volume without -a.
func (lv *LV) Visible() bool {
	s := lv.Snapshot
	if s == nil || len(lv.Snapshots) > 0 {
		return lv.Has("VISIBLE")
	}
	return s.Origin.virtual() || !s.Merging && s.Origin.Has("VISIBLE")
}

// Equal reports whether another value is that of the same volume, in a group of which nothing
// has changed.
func (lv *LV) Equal(other any) bool {
	o, ok := other.(*LV)
	if !ok || lv == nil || o == nil {
		return ok && lv == o
	}
	return lv.UUID == o.UUID && lv.Partial == o.Partial && (lv.VG == o.VG || lv.VG.equal(o.VG))
}

func (vg *VG) equal(o *VG) bool {
	return vg.Alias == o.Alias && vg.SeqNo == o.SeqNo && vg.Text == o.Text && slices.Equal(vg.Problems, o.Problems) &&
		slices.EqualFunc(vg.PVs, o.PVs, func(a, b *PV) bool { return a.Device == b.Device && (a.Member == nil) == (b.Member == nil) })
}

// virtual reports whether the volume is an origin of nothing but zeros, which LVM makes for
// sparse volumes.
func (lv *LV) virtual() bool {
	return len(lv.Segments) == 1 && lv.Segments[0].Type == "zero" && len(lv.Snapshots) > 0
}

// segment returns the first segment if it is of one of the types, or nil.
func (lv *LV) segment(types ...string) *Segment {
	if lv == nil || len(lv.Segments) == 0 || !slices.Contains(types, lv.Segments[0].Type) {
		return nil
	}
	return lv.Segments[0]
}

// A Segment is a range of a logical volume, and how it is mapped.
type Segment struct {
	// Type is the name of lvs(8)'s column segtype: "striped", "raid1", "thin-pool"…
	Type           string
	Start, Extents int64 // in extents
	Tags           []string
	// Areas are the stripes, legs or images, or the one volume that the segment lies on:
	// the data of a pool, or the origin of a cache.
	Areas []Area
	// Metas are the volumes with the metadata of a RAID's images; nil for one without.
	Metas []*LV
	// Metadata is that of a pool, and of an integrity device.
	Metadata *LV
	Log      *LV // of a mirror
	Pool     *LV // of a thin volume and a cache; the cache of a writecache
	Origin   *LV // of a thin snapshot
	External *LV // the external origin of a thin volume
	Merge    *LV // the thin volume that this snapshot is to replace
	// StripeSize, RegionSize and ChunkSize are in bytes, and 0 if the type has none.
	StripeSize, RegionSize, ChunkSize int64
	// Moved is how many extents of a pvmove are done.
	Moved int64
	// DeviceID is the number of a thin volume in its pool.
	DeviceID int64
	// TransactionID is that of a pool.
	TransactionID int64

	flags []string // that follow the type
	rest  *node    // settings that only tables need
}

// An Area is a place on a physical volume, or on a logical volume.
type Area struct {
	PV     *PV
	LV     *LV
	Extent int64 // the first
}
