package unboot

import (
	"fmt"

	"github.com/unboot/unboot/volume/probe"
)

// needsEnd are types that the kernel refuses to mount if their device is shorter than
// they say. Their contents may be there all the same: other tools read them.
var needsEnd = set("ext2", "ext3", "ext4", "ext4dev", "xfs", "btrfs", "f2fs", "nilfs2", "jfs", "squashfs", "romfs", "cramfs")

// packed are types that a driver reads in blocks larger than a sector, also where the file
// system ends between two.
var packed = set("squashfs", "romfs", "cramfs")

// complete makes the disk as long as what is on it says, for reading: a last sector that
// is not whole, and the end of an image that was cut off, read as zeros.
func (s *scan) complete() {
	sector := int64(s.sectorSize)
	if s.content != nil && packed[s.content.Type] {
		sector = max(sector, 4096)
	}
	need := s.missing(s.content, 0, s.size)
	if s.table != nil {
		need = 0
		if besidePartitions(s.content) {
			need = s.missing(s.content, 0, s.size)
		}
		for i := range s.table.Partitions {
			p := &s.table.Partitions[i]
			if p.Start < s.size && p.End() > s.size {
				need = max(need, min(p.End(), s.missing(s.parts[p.Number], p.Start, p.Size)))
			}
		}
	}
	end := (s.size + sector - 1) / sector * sector
	if s.end = end; need <= end {
		return
	}
	s.whole = s.size
	s.size = need / sector * sector
	s.end = s.size
	s.noteMissing()
}

func (s *scan) noteMissing() {
	if s.whole != 0 {
		s.problem(0, "the end of the disk is missing: %d of %d bytes, which read as zeros", s.size-s.whole, s.size)
	}
}

// missing returns where a device would have to end for what it holds, if that must not
// be cut off; else 0.
func (s *scan) missing(c *probe.Info, start, size int64) int64 {
	// A damaged or hostile size must not make the kernel plan for more.
	const most = 64 << 40
	if c == nil || !needsEnd[c.Type] || c.Devices > 1 || c.Size > most || start+c.Size <= s.size {
		return 0
	}
	return start + max(c.Size, size)
}

// warnings are what is to be said of a device that was mounted although it is not whole.
func (img *Image) warnings(d *Device) []string {
	disk, _ := img.found.Load().disk(d)
	if disk == nil || disk.whole == 0 || d.start()+d.Size <= disk.whole {
		return nil
	}
	return []string{fmt.Sprintf("%s: the last %d of its %d bytes are missing, and read as zeros",
		d.Name, d.start()+d.Size-max(disk.whole, d.start()), d.Size)}
}
