package part

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
)

const (
	gptRevision = 0x00010000
	gptCount    = 128 // entries of a new table
)

// gptEdit is a GPT that is being changed. What is not understood of the header and of
// the entries is kept.
type gptEdit struct {
	e           *Editor
	header      []byte
	entries     []byte
	entrySize   int
	entriesLBA  uint64 // of the primary
	alternate   uint64 // where the backup's header is
	firstUsable uint64
	lastUsable  uint64
	first       []byte // sector 0
	writeFirst  bool   // it has changed
	mend        bool   // the primary is damaged
}

func newGPT(e *Editor) (*gptEdit, error) {
	g := &gptEdit{e: e, header: make([]byte, gptHeaderSize), entrySize: gptEntrySize, entriesLBA: 2}
	g.entries = make([]byte, gptCount*gptEntrySize)
	g.firstUsable = g.entriesLBA + g.arraySectors()
	if e.d.sectors() < g.firstUsable+g.arraySectors()+2 {
		return nil, fmt.Errorf("%w: a disk of %d bytes is too small for a GPT", ErrNoSpace, e.d.size)
	}
	copy(g.header, gptSignature)
	le.PutUint32(g.header[8:], gptRevision)
	le.PutUint32(g.header[12:], gptHeaderSize)
	g.toEnd()
	g.first = make([]byte, e.d.sector)
	g.protect()
	return g, g.setID("")
}

// loadGPT loads the primary table, or the backup if that is damaged.
func loadGPT(e *Editor) (*gptEdit, error) {
	d := e.d
	h, entries, err := d.gptAt(1)
	if err != nil {
		if h, entries, err = d.gptAt(d.sectors() - 1); err != nil {
			return nil, err
		}
	}
	sector, err := d.readLBA(h.lba, int(d.sector))
	if err != nil {
		return nil, err
	}
	g := &gptEdit{
		e:           e,
		header:      bytes.Clone(sector[:le.Uint32(sector[12:])]),
		entries:     bytes.Clone(entries),
		entrySize:   int(h.entrySize),
		entriesLBA:  h.entries,
		alternate:   h.alternate,
		firstUsable: h.firstUsable,
		lastUsable:  h.lastUsable,
	}
	if h.lba != 1 {
		g.entriesLBA, g.alternate, g.mend = 2, h.lba, true
	}
	// On a disk that was truncated, the backup is lost, and gets a new place.
	if g.alternate >= d.sectors() {
		g.toEnd()
	}
	// Linux does not see a GPT without a protective MBR, so an empty MBR becomes one.
	// If something else is there, such as an MBR table of its own, it is left to the user
	// to say which of the two is meant.
	first, err := d.readLBA(0, int(d.sector))
	if err != nil {
		return nil, err
	}
	g.first = bytes.Clone(first)
	m := d.parseMBR()
	if m != nil && m.empty() || m == nil && (first[510] != 0x55 || first[511] != 0xaa) {
		g.protect()
	}
	return g, nil
}

// arraySectors returns how many sectors the entries have.
func (g *gptEdit) arraySectors() uint64 {
	return (uint64(len(g.entries)) + uint64(g.e.d.sector) - 1) / uint64(g.e.d.sector)
}

// toEnd gives the backup the place at the end of the disk.
func (g *gptEdit) toEnd() {
	g.alternate = g.e.d.sectors() - 1
	g.lastUsable = 0
	if n := g.arraySectors() + 1; g.alternate >= n {
		g.lastUsable = g.alternate - n
	}
}

// protect makes the MBR a protective one.
func (g *gptEdit) protect() {
	clear(g.first[mbrTable : mbrTable+64])
	e := g.first[mbrTable:]
	copy(e, []byte{0, 0, 2, 0, typeProtective, 0xff, 0xff, 0xff})
	le.PutUint32(e[8:], 1)
	le.PutUint32(e[12:], uint32(min(g.e.d.sectors()-1, 0xffffffff)))
	g.first[510], g.first[511] = 0x55, 0xaa
	g.writeFirst = true
}

func (g *gptEdit) expand() error {
	old := *g
	g.toEnd()
	if err := g.checkLayout(); err != nil {
		*g = old
		return err
	}
	// A hybrid MBR is left alone: its protective entry covers what its maker chose, and
	// the others would overlap a larger one.
	entries, ok := parseEntries(g.first)
	if m := (&mbr{entries: entries}); !ok || !m.protective() || m.hybrid() {
		return nil
	}
	for i, p := range entries {
		if p.kind == typeProtective && p.start == 1 {
			le.PutUint32(g.first[mbrTable+16*i+12:], uint32(min(g.e.d.sectors()-1, 0xffffffff)))
			g.writeFirst = true
		}
	}
	return nil
}

// checkLayout checks that the header, the entries and their backup have places of their
// own, which no partition claims. A table that is laid out otherwise can be read, but
// writing it back would overwrite data.
func (g *gptEdit) checkLayout() error {
	n := g.arraySectors()
	last := g.e.d.sectors() - 1
	switch {
	case g.entriesLBA < 2 || g.entriesLBA > last || g.entriesLBA+n > g.firstUsable:
		return fmt.Errorf("%w: its entries are in sector %d, and partitions from %d on", ErrLayout, g.entriesLBA, g.firstUsable)
	case g.alternate > last || g.alternate < n || g.alternate-n <= g.lastUsable || g.alternate-n < g.entriesLBA+n:
		return fmt.Errorf("%w: there is no room for the backup before sector %d", ErrLayout, g.alternate)
	}
	for _, u := range g.used(0) {
		for _, area := range []span{{0, 2}, {g.entriesLBA, g.entriesLBA + n}, {g.alternate - n, g.alternate + 1}} {
			if u.overlaps(area) {
				return fmt.Errorf("%w: a partition has sectors %d to %d, and the table needs %d to %d", ErrLayout,
					u.first, u.end-1, area.first, area.end-1)
			}
		}
	}
	return nil
}

func (g *gptEdit) plan() ([][]Write, error) {
	if err := g.checkLayout(); err != nil {
		return nil, err
	}
	sector := g.e.d.sector
	array := make([]byte, int64(g.arraySectors())*sector)
	copy(array, g.entries)
	backupLBA := g.alternate - g.arraySectors()
	at := func(lba uint64, data []byte) Write { return Write{int64(lba) * sector, data} }
	steps := [][]Write{
		{at(backupLBA, array), at(g.alternate, g.headerAt(g.alternate, 1, backupLBA))},
		{at(g.entriesLBA, array), at(1, g.headerAt(1, g.alternate, g.entriesLBA))},
	}
	if g.mend {
		// The backup is the only good copy: it must not be touched before the primary is
		// whole again.
		slices.Reverse(steps)
	}
	if g.writeFirst {
		steps = append(steps, []Write{at(0, bytes.Clone(g.first))})
	}
	return steps, nil
}

// headerAt returns the sector of the header as it is to be at lba. Fields that a later
// revision may have added after the usual 92 bytes are kept, and are part of the checksum.
func (g *gptEdit) headerAt(lba, alternate, entries uint64) []byte {
	b := make([]byte, g.e.d.sector)
	copy(b, g.header)
	h := b[:len(g.header)]
	le.PutUint64(h[24:], lba)
	le.PutUint64(h[32:], alternate)
	le.PutUint64(h[40:], g.firstUsable)
	le.PutUint64(h[48:], g.lastUsable)
	le.PutUint64(h[72:], entries)
	le.PutUint32(h[80:], uint32(len(g.entries)/g.entrySize))
	le.PutUint32(h[84:], uint32(g.entrySize))
	le.PutUint32(h[88:], crc32.ChecksumIEEE(g.entries))
	le.PutUint32(h[16:], 0)
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return b
}

func (g *gptEdit) committed() { g.writeFirst, g.mend = false, false }
