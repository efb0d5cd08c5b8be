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
