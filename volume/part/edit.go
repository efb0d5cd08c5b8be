package part

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// The errors of editing, wrapped in what says more.
var (
	// ErrNoPartition is returned for a number that no partition has.
	ErrNoPartition = errors.New("no such partition")
	// ErrNoSpace is returned for a partition that does not fit where it is to be,
	// or for a table that is full.
	ErrNoSpace = errors.New("no room for the partition")
	// ErrKind is returned for what this kind of table, or partition, does not have.
	ErrKind = errors.New("not with this kind of partition table")
	// ErrInvalid is returned for an argument that cannot be.
	ErrInvalid = errors.New("invalid")
	// ErrLayout is returned for a table that can be read, but is laid out so that
	// writing it might destroy data.
	ErrLayout = errors.New("the partition table is not one that can be changed here")
)

// EditOptions say how [New] and [Edit] are to do it.
type EditOptions struct {
	// SectorSize is that of the disk, in bytes: 512 or 4096. With 0, it is 512, or
	// what the table that is there is made for ([DetectSectorSize]).
	SectorSize int
	// Rand is where GUIDs and IDs come from. With nil, it is crypto/rand.
	Rand io.Reader
}

// Role is what a partition of an MBR table is. All partitions of a GPT are [Primary].
type Role string

// The roles of partitions, as parted(8) calls them.
const (
	Primary  Role = "primary"  // numbers 1 to 4 of an MBR table
	Extended Role = "extended" // a primary one that holds logical ones
	Logical  Role = "logical"  // numbers from 5 on
)

// Role returns what the partition is in a table of a type, which is "gpt" or "dos".
func (p *Partition) Role(table string) Role {
	switch {
	case table != "dos":
		return Primary
	case p.Extended:
		return Extended
	case p.Number > 4:
		return Logical
	}
	return Primary
}

// Spec says what a new partition is to be.
type Spec struct {
	// Number is that of the partition, or 0 for the first free one. Logical
	// partitions are numbered in the order of their places; for them it must be 0.
	Number int
	// Start is in bytes from the start of the disk, a multiple of the sector size.
	// With -1, a place is looked for whose start is a multiple of 1 MiB: the
	// first one that is large enough, or the largest if Size is 0.
	Start int64
	// Size is in bytes, a multiple of the sector size. With 0, it is as much as is
	// free after Start.
	Size int64
	Role Role // "" is Primary
	// Type is as in [Partition]: a GUID, or 0x and two hexadecimal digits. With "",
	// it is that of Linux file systems, or of an extended partition (LBA).
	Type string
	// The rest is for a GPT. With "", UUID is a random one.
	Name       string
	UUID       string
	Attributes uint64
}

// Range is a part of the disk.
type Range struct {
	Start, Size int64 // bytes
}

// An Editor changes a partition table. Changes are made in memory; [Editor.Commit]
// writes them. It must not be used by several goroutines at a time.
type Editor struct {
	d     *disk
	fresh bool // by New
	rand  io.Reader
	s     scheme
}

// scheme is a kind of table. Places are in sectors.
type scheme interface {
	name() string
	add(s *Spec) (int, error)
	remove(number int) error
	// resize moves the end, which is that of the first sector after it.
	resize(number int, end uint64) error
	setType(number int, kind string) error
	setBootable(number int, on bool) error
	setID(id string) error
	free(role Role) []span
	// plan returns what to write, in steps of which each must be on the disk before
	// the next one begins.
	plan() ([][]Write, error)
	// committed says that this has been done.
	committed()
}

// New returns an editor with a new, empty table for a disk of size bytes. The kind is
// "gpt" or "dos". When it is committed, it takes the place of any table that was there,
// and wipes those places where a GPT would be, whatever the kind is.
func New(kind string, size int64, o EditOptions) (*Editor, error) {
	d := &disk{size: size, sector: int64(o.SectorSize)}
	if o.SectorSize == 0 {
		d.sector = 512
	}
	e := &Editor{d: d, fresh: true, rand: o.Rand}
	if err := e.init(); err != nil {
		return nil, err
	}
	var err error
	switch kind {
	case "gpt":
		e.s, err = newGPT(e)
	case "dos":
		e.s, err = newDOS(e)
	default:
		err = fmt.Errorf("%w kind of partition table: %q", ErrInvalid, kind)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Edit returns an editor for the table of a disk of size bytes, which is the one that
// [Read] reads. The error is [ErrNoTable], one that wraps [ErrLayout], or one of r.
func Edit(r io.ReaderAt, size int64, o EditOptions) (*Editor, error) {
	t, err := Read(r, size, o.SectorSize)
	if err != nil {
		return nil, err
	}
	if o.SectorSize != 0 && o.SectorSize != t.SectorSize {
		return nil, fmt.Errorf("%w: it is for sectors of %d bytes, not %d", ErrLayout, t.SectorSize, o.SectorSize)
	}
	d := &disk{r: r, size: size, sector: int64(t.SectorSize)}
	if err := d.readHead(); err != nil {
		return nil, err
	}
	e := &Editor{d: d, rand: o.Rand}
	if err := e.init(); err != nil {
		return nil, err
	}
	if t.Type == "gpt" {
		e.s, err = loadGPT(e)
	} else {
		e.s, err = loadDOS(e)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Editor) init() error {
	if e.rand == nil {
		e.rand = rand.Reader
	}
	switch e.d.sector {
	case 512, 4096:
	default:
		return fmt.Errorf("%w: sectors of %d bytes: only 512 and 4096 are known", ErrInvalid, e.d.sector)
	}
	if e.d.size < e.d.sector {
		return fmt.Errorf("%w: a disk of %d bytes", ErrNoSpace, e.d.size)
	}
	return nil
}

// Type returns the table's type: "gpt" or "dos".
func (e *Editor) Type() string { return e.s.name() }

// SectorSize returns the size of the table's sectors, in bytes.
func (e *Editor) SectorSize() int { return int(e.d.sector) }

// Add adds a partition and returns its number. A logical partition is numbered by its
// place, which changes the numbers of those that follow. Nothing is written to the
// partition itself.
func (e *Editor) Add(s Spec) (int, error) {
	if s.Role == "" {
		s.Role = Primary
	}
	if s.Start != -1 && (s.Start < 0 || s.Start%e.d.sector != 0) || s.Size < 0 || s.Size%e.d.sector != 0 {
		return 0, fmt.Errorf("%w place for a partition: start %d, size %d (sectors have %d bytes)", ErrInvalid, s.Start, s.Size, e.d.sector)
	}
	return e.s.add(&s)
}

// Delete deletes a partition. With an extended one, its logical partitions go. If a
// logical one goes, those that follow are renumbered.
func (e *Editor) Delete(number int) error { return e.s.remove(number) }

// Resize moves the end of a partition to end, in bytes from the start of the disk: the
// offset of the first byte after it. What is in the partition is not touched.
func (e *Editor) Resize(number int, end int64) error {
	if end < 0 || end%e.d.sector != 0 {
		return fmt.Errorf("%w end of a partition: %d (sectors have %d bytes)", ErrInvalid, end, e.d.sector)
	}
	return e.s.resize(number, uint64(end/e.d.sector))
}

// SetType sets the type: a GUID, or 0x and two hexadecimal digits. A primary partition
// becomes an extended one if there is none, with the logical ones that are described in
// it; an extended one can get another type only while there are none.
func (e *Editor) SetType(number int, kind string) error { return e.s.setType(number, kind) }

// SetBootable sets what parted(8) calls the boot flag. In an MBR table, that is the
// active flag, which is then taken from all other partitions. In a GPT, it is the type
// of an EFI system partition; without it, the type is that of a Linux file system.
// (The flag of a GPT for BIOS, which [Partition.Bootable] reports, is one of
// [Editor.SetAttributes].)
func (e *Editor) SetBootable(number int, on bool) error { return e.s.setBootable(number, on) }

// SetID sets the ID of the disk: a GUID, or 8 hexadecimal digits. With "", it gets a
// random one.
func (e *Editor) SetID(id string) error { return e.s.setID(id) }

// SetName sets the name of a partition of a GPT, which has up to 36 UTF-16 units.
func (e *Editor) SetName(number int, name string) error {
	return e.gpt(func(g *gptEdit) error { return g.setName(number, name) })
}

// SetUUID sets the PARTUUID of a partition of a GPT. With "", it gets a random one.
func (e *Editor) SetUUID(number int, uuid string) error {
	return e.gpt(func(g *gptEdit) error { return g.setUUID(number, uuid) })
}

// SetAttributes sets all attributes of a partition of a GPT.
func (e *Editor) SetAttributes(number int, attributes uint64) error {
	return e.gpt(func(g *gptEdit) error { return g.setAttributes(number, attributes) })
}

// Expand moves the backup of a GPT to the end of the disk, and makes all the disk
// usable, as "sgdisk -e" does.
func (e *Editor) Expand() error {
	return e.gpt(func(g *gptEdit) error { return g.expand() })
}

// gpt calls f if the table is one.
func (e *Editor) gpt(f func(g *gptEdit) error) error {
	g, ok := e.s.(*gptEdit)
	if !ok {
		return fmt.Errorf("%w: it takes a GPT", ErrKind)
	}
	return f(g)
}

// Free returns where partitions of a role can be, in the order of their places.
func (e *Editor) Free(role Role) []Range {
	var list []Range
	for _, s := range e.s.free(role) {
		list = append(list, Range{int64(s.first) * e.d.sector, int64(s.end-s.first) * e.d.sector})
	}
	return list
}

func noPartition(number int) error { return fmt.Errorf("partition %d: %w", number, ErrNoPartition) }
