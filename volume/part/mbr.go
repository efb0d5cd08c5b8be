package part

import (
	"bytes"
	"fmt"
)

const (
	mbrTable = 446 // offset of the four entries
	mbrID    = 440

	typeProtective = 0xee

	// The bounds of a chain, which a hostile disk could make as long as itself. No tool
	// is known that makes more logical partitions.
	maxLogical = 128 // partitions
	maxChain   = 256 // sectors of a chain of extended partitions that are read
)

// mbr is a master boot record.
type mbr struct {
	id      uint32
	entries [4]mbrEntry
}

// mbrEntry is an entry in it, or in one of an extended partition's sectors.
type mbrEntry struct {
	flag   byte
	kind   byte
	start  uint32 // sectors, relative to something
	length uint32 // sectors
}

// used follows the kernel, to which only the length matters.
func (e *mbrEntry) used() bool { return e.length != 0 }

func (e *mbrEntry) extended() bool {
	return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85
}

// parseEntries decodes the entries of a sector, or returns false if it has no
// signature.
func parseEntries(b []byte) (entries [4]mbrEntry, ok bool) {
	if len(b) < 512 || b[510] != 0x55 || b[511] != 0xaa {
		return entries, false
	}
	for i := range entries {
		e := b[mbrTable+16*i:]
		entries[i] = mbrEntry{e[0], e[4], le.Uint32(e[8:]), le.Uint32(e[12:])}
	}
	return entries, true
}

// parseMBR returns the record in the first sector, or nil if that is none. The
// boot sector of a file system has the same signature.
func (d *disk) parseMBR() *mbr {
	if len(d.head) < 512 {
		return nil
	}
	entries, ok := parseEntries(d.head)
	if !ok || isBootSector(d.head[:512]) {
		return nil
	}
	// The kernel's test: boot code has other bytes where a table has its flags.
	for _, e := range entries {
		if e.flag != 0 && e.flag != 0x80 {
			return nil
		}
	}
	return &mbr{le.Uint32(d.head[mbrID:]), entries}
}

// isBootSector reports whether a sector begins a FAT, NTFS or exFAT file system. It then
// has code or text where an MBR has its table.
func isBootSector(b []byte) bool {
	for off, names := range map[int][]string{
		3:    {"NTFS    ", "EXFAT   ", "-FVE-FS-"},
		0x36: {"FAT12   ", "FAT16   ", "FAT     ", "MSDOS"},
		0x52: {"FAT32   ", "MSWIN"},
	} {
		for _, name := range names {
			if bytes.HasPrefix(b[off:], []byte(name)) {
				return true
			}
		}
	}
	sector, cluster := le.Uint16(b[11:]), b[13]
	media := b[21]
	return (b[0] == 0xeb || b[0] == 0xe9) &&
		sector >= 512 && sector <= 4096 && sector&(sector-1) == 0 &&
		cluster != 0 && cluster&(cluster-1) == 0 &&
		le.Uint16(b[14:]) != 0 && b[16] != 0 && b[16] <= 4 && // reserved sectors, FATs
		(media >= 0xf8 || media == 0xf0)
}

// protective reports whether the MBR is there to protect a GPT.
func (m *mbr) protective() bool {
	for _, e := range m.entries {
		if e.kind == typeProtective {
			return true
		}
	}
	return false
}

// hybrid reports whether there are partitions beside the protective one.
func (m *mbr) hybrid() bool {
	for _, e := range m.entries {
		if e.used() && e.kind != typeProtective {
			return true
		}
	}
	return false
}

func (m *mbr) empty() bool { return !m.hybrid() && !m.protective() }

// dosTable is an MBR table in the making.
type dosTable struct {
	*Table
	d    *disk
	id   uint32
	next int // number of the next logical partition
}

func (d *disk) readDOS(m *mbr) *Table {
	t := &dosTable{Table: &Table{Type: "dos", ID: fmt.Sprintf("%08x", m.id)}, d: d, id: m.id, next: 5}
	for i, e := range m.entries {
		if e.used() {
			t.add(i+1, &e, 0)
		}
	}
	// As in the kernel, several extended partitions are possible, and their
	// logical ones are counted on.
	for _, e := range m.entries {
		if e.used() && e.extended() {
			t.chain(uint64(e.start), uint64(e.length))
		}
	}
	return t.Table
}

// add adds a partition that starts base sectors and the entry's start from the
// beginning of the disk. All of this fits easily: base and start have 32 bits.
func (t *dosTable) add(number int, e *mbrEntry, base uint64) {
	kind := fmt.Sprintf("0x%02x", e.kind)
	p := Partition{
		Number:   number,
		Start:    int64(base+uint64(e.start)) * t.d.sector,
		Size:     int64(e.length) * t.d.sector,
		Type:     kind,
		TypeName: byteNames[e.kind],
		Bootable: e.flag == 0x80,
		Extended: e.extended(),
	}
	if t.id != 0 {
		p.UUID = fmt.Sprintf("%08x-%02x", t.id, number)
	}
	t.Partitions = append(t.Partitions, p)
}

// chain follows the sectors of an extended partition, from first on, of length
// sectors. Each describes one logical partition, relative to itself, and names
// the next sector, relative to the first.
func (t *dosTable) chain(first, length uint64) {
	seen := map[uint64]bool{}
	for at := first; ; {
		switch {
		case seen[at]:
			t.problem("the chain of logical partitions runs in a circle")
			return
		case len(seen) == maxChain || t.next == 5+maxLogical:
			t.problem("there are more than %d logical partitions", t.next-5)
			return
		}
		seen[at] = true
		b, err := t.d.readLBA(at, 512)
		if err != nil {
			t.problem("the chain of logical partitions leaves the disk, at sector %d", at)
			return
		}
		entries, ok := parseEntries(b)
		if !ok {
			t.problem("the chain of logical partitions is broken, at sector %d", at)
			return
		}
		var link *mbrEntry
		for i := range entries {
			e := &entries[i]
			switch {
			case !e.used():
			case e.extended():
				if link == nil {
					link = e
				}
			case i >= 2 && at+uint64(e.start)+uint64(e.length) > first+length:
				// OS/2 and others use the last two for themselves.
			case t.next < 5+maxLogical:
				t.add(t.next, e, at)
				if end := at + uint64(e.start) + uint64(e.length); end > first+length {
					t.problem("logical partition %d ends after its extended partition", t.next)
				}
				t.next++
			}
		}
		if link == nil {
			return
		}
		at = first + uint64(link.start)
	}
}
