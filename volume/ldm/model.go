package ldm

import "github.com/unboot/unboot/volume"

// A Group is a disk group: disks that share a database. All sizes and offsets of this
// package are in bytes.
type Group struct {
	GUID, Name string
	// Sequence is the number of the last transaction that was committed.
	Sequence uint64
	Disks    []*Disk
	Volumes  []*Volume
	Problems []string
}

// A Disk is a disk of a group as the database knows it.
type Disk struct {
	Name, GUID string
	// Member is the device, or nil if the disk is missing. If it is, what follows is 0.
	Member                      *volume.Member
	DataStart, DataSize         int64 // where partitions can lie
	MetadataStart, MetadataSize int64 // where the database lies
	// Stale says that the disk's database is older than the group's: the disk was away
	// while the others were used.
	Stale bool

	id    uint64
	twins bool // several devices claim to be this disk
}

// The types of volumes, as ldmtool(1) prints them.
const (
	Simple   = "simple"
	Spanned  = "spanned"
	Striped  = "striped"
	Mirrored = "mirrored"
	RAID5    = "RAID5"
)

// A Volume is a volume of a group.
type Volume struct {
	Name, GUID string
	Type       string
	State      string // "ACTIVE"
	Size       int64
	Chunk      int64 // of striped volumes and RAID 5, else 0
	// Hint is where Windows mounts the volume, such as "E:", or "".
	Hint string
	// PartType is the type of an MBR's partition that the volume has: 7 for NTFS.
	PartType   byte
	Components []*Component
	Problems   []string

	id, children uint64
	raid5        bool
}

// Partitions returns the pieces of the volume in the order in which ldmtool(1) lists them.
func (v *Volume) Partitions() []*Partition {
	var list []*Partition
	for _, c := range v.Components {
		list = append(list, c.Partitions...)
	}
	return list
}

// A Layout says how a component is put together.
type Layout byte

// The layouts of components.
const (
	LayoutStriped Layout = 1
	LayoutConcat  Layout = 2
	LayoutRAID5   Layout = 3
)

// A Component is a copy of a volume's data. There are several if it is mirrored.
type Component struct {
	Name       string
	State      string
	Layout     Layout
	Chunk      int64 // 0 if nothing is striped
	Partitions []*Partition
	// Doubtful says that Windows has not finished to make it equal to the others.
	Doubtful bool

	id, parent, children, columns uint64
}

// A Partition is an extent of a disk that is a piece of a volume.
type Partition struct {
	Name   string
	Start  int64 // on the disk, from the start of its data
	Size   int64
	Offset int64 // in its column; there is one column if nothing is striped
	Column uint64
	Disk   *Disk
	// Doubtful says that Windows has detached it, or has not finished to recover it.
	Doubtful bool

	id, parent, disk uint64
	overlaps         string // the name of a partition that lies on the same bytes, or ""
}

func (p *Partition) end() int64 { return p.Start + p.Size }
