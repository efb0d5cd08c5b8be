package sfdisk

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/volume/part"
)

// List describes a disk of size bytes and its table, which is nil if it has none, as
// "sfdisk -l" does.
func List(device string, size int64, t *part.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Disk %s: %d bytes, %d sectors\n", device, size, size/512)
	if t == nil {
		return b.String()
	}
	unit := int64(t.SectorSize)
	fmt.Fprintf(&b, "Units: sectors of 1 * %d = %d bytes\nDisklabel type: %s\nDisk identifier: %s\n\n", unit, unit, t.Type, t.ID)
	fmt.Fprintf(&b, "%-10s %4s %12s %12s %12s %s\n", "Device", "Boot", "Start", "End", "Sectors", "Type")
	for i := range t.Partitions {
		p := &t.Partitions[i]
		boot := ""
		if p.Bootable {
			boot = "*"
		}
		name := p.TypeName
		if name == "" {
			name = p.Type
		}
		fmt.Fprintf(&b, "%-10s %4s %12d %12d %12d %s\n", fmt.Sprint(device, p.Number), boot, p.Start/unit, p.End()/unit-1, p.Size/unit, name)
	}
	return b.String()
}

// Geometry describes the cylinders, heads and sectors that a BIOS makes up for a disk of
// size bytes, as "sfdisk -g" did: no disk has such a geometry any more.
func Geometry(device string, size int64) string {
	const heads, sectors = 255, 63
	return fmt.Sprintf("%s: %d cylinders, %d heads, %d sectors/track\n", device, size/512/heads/sectors, heads, sectors)
}
