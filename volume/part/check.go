package part

import (
	"fmt"
	"slices"
)

// check notes what is odd about the partitions of a table on a disk of size bytes.
func (t *Table) check(size int64) {
	for i := range t.Partitions {
		if p := &t.Partitions[i]; p.Start >= size {
			t.problem("partition %d lies past the end of the disk", p.Number)
		} else if over := p.End() - size; over > 0 {
			t.problem("partition %d ends %s past the end of the disk", p.Number, bytesText(over))
		}
	}
	t.checkOverlap()
	t.checkIDs()
}

// checkOverlap compares neighbours in the order of their starts. The extended partition
// is left out, since the logical ones lie inside it by design; so are empty ones, which
// share a byte with nobody.
func (t *Table) checkOverlap() {
	var data []*Partition
	for i := range t.Partitions {
		if p := &t.Partitions[i]; !p.Extended && p.Size > 0 {
			data = append(data, p)
		}
	}
	slices.SortFunc(data, func(a, b *Partition) int {
		if a.Start != b.Start {
			return int(min(max(a.Start-b.Start, -1), 1))
		}
		return a.Number - b.Number
	})
	for i, reach := 1, 0; i < len(data); i++ {
		// reach is the partition that goes furthest so far.
		if data[i].Start < data[reach].End() {
			a, b := data[reach].Number, data[i].Number
			t.problem("partitions %d and %d overlap", min(a, b), max(a, b))
		}
		if data[i].End() > data[reach].End() {
			reach = i
		}
	}
}

// checkIDs looks for PARTUUIDs that are there twice, as when partitions were
// copied with their entries.
func (t *Table) checkIDs() {
	seen := map[string]int{}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if first, ok := seen[p.UUID]; ok && p.UUID != "" {
			t.problem("partitions %d and %d have the same PARTUUID", first, p.Number)
			continue
		}
		seen[p.UUID] = p.Number
	}
}

// bytesText spells a size for people, in the unit that suits it: as a whole
// number if it is one.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n), -1
	for value >= 1024 && unit+1 < len(units) {
		value /= 1024
		unit++
	}
	if value == float64(int64(value)) {
		return fmt.Sprintf("%d %ciB", int64(value), units[unit])
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
