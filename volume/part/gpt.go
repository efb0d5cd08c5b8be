package part

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/unboot/unboot/volume/internal/field"
)

// GPT, as the UEFI specification has it:
// https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html
const (
	gptSignature  = "EFI PART"
	gptHeaderSize = 92
	gptEntrySize  = 128

	gptMaxEntrySize = 4096
	gptMaxArray     = 1 << 20 // bytes; the usual is 16 KiB

	gptLegacyBootable = 1 << 2 // an attribute
)

// gptHeader is what a valid header says.
type gptHeader struct {
	lba         uint64 // where it was found
	alternate   uint64
	firstUsable uint64
	lastUsable  uint64
	id          string
	entries     uint64 // LBA
	count       uint32
	entrySize   uint32
	arrayCRC    uint32
}

// gptAt reads the header in a sector, and the entries that belong to it.
func (d *disk) gptAt(lba uint64) (*gptHeader, []byte, error) {
	b, err := d.readLBA(lba, int(d.sector))
	if err != nil {
		return nil, nil, err
	}
	if string(b[:8]) != gptSignature {
		return nil, nil, errors.New("no GPT header")
	}
	size := le.Uint32(b[12:])
	if size < gptHeaderSize || int64(size) > d.sector {
		return nil, nil, fmt.Errorf("a header of %d bytes", size)
	}
	sum := crc32.NewIEEE()
	sum.Write(b[:16])
	sum.Write(make([]byte, 4)) // the checksum itself
	sum.Write(b[20:size])
	if sum.Sum32() != le.Uint32(b[16:]) {
		return nil, nil, errors.New("the header's checksum is wrong")
	}
	h := &gptHeader{
		lba:         lba,
		alternate:   le.Uint64(b[32:]),
		firstUsable: le.Uint64(b[40:]),
		lastUsable:  le.Uint64(b[48:]),
		id:          guid(b[56:72]),
		entries:     le.Uint64(b[72:]),
		count:       le.Uint32(b[80:]),
		entrySize:   le.Uint32(b[84:]),
		arrayCRC:    le.Uint32(b[88:]),
	}
	if self := le.Uint64(b[24:]); self != lba {
		return nil, nil, fmt.Errorf("the header in sector %d is for sector %d", lba, self)
	}
	if h.entrySize < gptEntrySize || h.entrySize > gptMaxEntrySize || h.entrySize&(h.entrySize-1) != 0 {
		return nil, nil, fmt.Errorf("entries of %d bytes", h.entrySize)
	}
	// The product of two 32-bit numbers cannot overflow 64 bits, and the limit comes
	// before the allocation.
	array := uint64(h.count) * uint64(h.entrySize)
	if array == 0 || array > gptMaxArray {
		return nil, nil, fmt.Errorf("%d entries", h.count)
	}
	entries, err := d.readLBA(h.entries, int(array))
	if err != nil {
		return nil, nil, fmt.Errorf("entries: %w", err)
	}
	if crc32.ChecksumIEEE(entries) != h.arrayCRC {
		return nil, nil, errors.New("the entries' checksum is wrong")
	}
	return h, entries, nil
}

// readGPT reads the primary GPT, or the backup if that is damaged, and notes how
// they fit each other and the disk.
func (d *disk) readGPT() (*Table, error) {
	last := d.sectors() - 1
	t := &Table{Type: "gpt"}
	h, entries, err := d.gptAt(1)
	if err != nil {
		primary := err
		if h, entries, err = d.gptAt(last); err != nil {
			return nil, primary
		}
		t.problem("the primary GPT is damaged (%v): the backup is used", primary)
	} else {
		d.checkBackup(t, h, last)
	}
	t.ID = h.id
	d.gptPartitions(t, h, entries)
	return t, nil
}

// checkBackup looks for the backup of a good primary table. Where it is, and where it is
// not, shows what happened to the image: truncated, grown, or copied in part.
func (d *disk) checkBackup(t *Table, h *gptHeader, last uint64) {
	switch made := bytesOf(h.alternate+1, d.sector); {
	case h.alternate > last && made > 0:
		t.problem("the disk was larger when the table was made: %s, now %s; the backup GPT is missing",
			bytesText(made), bytesText(d.size))
		return
	case h.alternate < last && h.alternate > 1:
		t.problem("the disk has grown since the table was made, by %s: the backup GPT is not at its end",
			bytesText(d.size-made))
	}
	backup, _, err := d.gptAt(h.alternate)
	switch {
	case h.alternate <= 1 || err != nil && h.alternate == last && d.noGPT(last):
		t.problem("the backup GPT is missing")
	case err != nil:
		t.problem("the backup GPT is damaged: %v", err)
	case backup.id != h.id || backup.arrayCRC != h.arrayCRC:
		t.problem("the backup GPT says something else than the primary")
	}
}

// noGPT reports whether nothing in a sector looks like a header, not even a damaged one:
// a backup that was never there is another problem than one that was overwritten.
func (d *disk) noGPT(lba uint64) bool {
	b, err := d.readLBA(lba, 8)
	return err != nil || string(b) != gptSignature
}

// gptPartitions adds the used entries to the table.
func (d *disk) gptPartitions(t *Table, h *gptHeader, entries []byte) {
	for i := range int(h.count) {
		e := entries[i*int(h.entrySize):][:gptEntrySize]
		kind := guid(e[:16])
		if kind == "" {
			continue
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		p := Partition{
			Number:     i + 1,
			Start:      bytesOf(first, d.sector),
			Type:       kind,
			TypeName:   guidNames[kind],
			UUID:       guid(e[16:32]),
			Attributes: le.Uint64(e[48:]),
			Name:       field.UTF16(e[56:128]),
		}
		p.Bootable = p.Attributes&gptLegacyBootable != 0
		end := int64(-1)
		if last < math.MaxUint64 {
			end = bytesOf(last+1, d.sector)
		}
		if p.Start < 0 || end < 0 || last < first {
			t.problem("partition %d is from sector %d to %d, which cannot be", p.Number, first, last)
			continue
		}
		p.Size = end - p.Start
		if first < h.firstUsable || last > h.lastUsable {
			t.problem("partition %d is outside of what the table says is usable", p.Number)
		}
		t.Partitions = append(t.Partitions, p)
	}
}

// bytesOf returns n sectors in bytes, or -1 if that is too much for an int64.
func bytesOf(n uint64, sector int64) int64 {
	if n > uint64(math.MaxInt64/sector) {
		return -1
	}
	return int64(n) * sector
}

// guid spells a GUID; "" for all zeros. The first three numbers are
// little-endian.
func guid(b []byte) string {
	if string(b[:16]) == string(make([]byte, 16)) {
		return ""
	}
	return field.GUID(b)
}
