package probe

import (
	"fmt"
	"io"
)

// LDM reads the private header of a Windows dynamic disk (Logical Disk Manager) at the
// first of the offsets where there is one, and returns what the disk and all its
// partitions are: members of a disk group, of the type "ldm_member", for which blkid has
// no name. It returns nil if there is none. Where it can be, [LDMOffsets] says for disks
// with an MBR; on a GPT disk it lies in the partition for LDM's metadata.
func LDM(r io.ReaderAt, size int64, offsets ...int64) *Info {
	for _, off := range offsets {
		b := make(block, 512)
		if off < 0 || off > size-int64(len(b)) {
			continue
		}
		if n, _ := r.ReadAt(b, off); n < len(b) || !b.has(0, "PRIVHEAD") {
			continue
		}
		return &Info{
			Type:    "ldm_member",
			Usage:   RAID,
			UUID:    textUUID(b.sub(0xb0, 64)), // of the disk group
			UUIDSub: textUUID(b.sub(0x30, 64)),
			Label:   label(b.sub(0xf0, 32)),
			Version: fmt.Sprintf("%d.%d", b.be16(12), b.be16(14)),
			DataEnd: size,
		}
	}
	return nil
}

// LDMOffsets returns where the header and its two copies are in a range of a disk that
// ends with LDM's database: the disk itself, if it has an MBR, or the partition for
// metadata of a GPT.
func LDMOffsets(size int64) []int64 {
	const database = 2048 * 512 // bytes, at the end
	return []int64{6 * 512, size - 512, size - database + 1856*512}
}
