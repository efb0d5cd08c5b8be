// Package fat reads how full a FAT file system is, without mounting it.
//
// A FAT keeps no number of its free clusters that can be trusted: the one in the FSINFO
// sector of FAT32 is a hint, and the others have none. So the table itself has to be
// counted. Linux does that sector by sector when it is first asked, which takes longer than
// to mount the file system; here it is one read. The numbers are those of statfs(2), from
// fs/fat of Linux.
package fat

import (
	"encoding/binary"
	"errors"
	"io"
)

// ErrTable says that a file system is not a FAT, or that its table is too large to be
// counted here.
var ErrTable = errors.New("no allocation table that can be counted")

// maxTable bounds the size of the table in bytes: it is that of a FAT32 of 4 million
// clusters.
const maxTable = 16 << 20

// firstCluster is the number of the first cluster: the entries before it are not about any.
const firstCluster = 2

// Usage is how full a file system is.
type Usage struct {
	ClusterSize int64 // in bytes
	Clusters    int64
	Free        int64 // of those
}

// layout is what the boot sector says.
type layout struct {
	clusterSize int64 // in bytes
	clusters    int64
	table       int64 // offset in bytes
	bits        int64 // of an entry
}

// Read counts the free clusters of the FAT on a device.
func Read(r io.ReaderAt) (Usage, error) {
	var boot [64]byte
	if _, err := r.ReadAt(boot[:], 0); err != nil {
		return Usage{}, err
	}
	l, ok := parse(boot[:])
	if !ok {
		return Usage{}, ErrTable
	}
	size := ((l.clusters+firstCluster)*l.bits + 7) / 8
	if size > maxTable {
		return Usage{}, ErrTable
	}
	u := Usage{ClusterSize: l.clusterSize, Clusters: l.clusters}
	buf := make([]byte, min(size, chunk))
	for off := int64(0); off < size; off += chunk {
		part := buf[:min(size-off, chunk)]
		if n, err := r.ReadAt(part, l.table+off); n < len(part) {
			return Usage{}, err
		}
		u.Free += l.free(part, off*8/l.bits)
	}
	return u, nil
}

// chunk is how much of a table is read at once. All of a FAT12, whose entries do not end
// with bytes, is less.
const chunk = 64 << 10

// parse reads the BIOS parameter block.
func parse(boot []byte) (l layout, ok bool) {
	le := binary.LittleEndian
	sector, perCluster := int64(le.Uint16(boot[11:])), int64(boot[13])
	reserved, tables := int64(le.Uint16(boot[14:])), int64(boot[16])
	entries := int64(le.Uint16(boot[17:]))
	sectors, length := int64(le.Uint16(boot[19:])), int64(le.Uint16(boot[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(boot[32:]))
	}
	fat32 := length == 0
	if fat32 {
		length = int64(le.Uint32(boot[36:]))
	}
	if sector < 512 || sector > 4096 || sector&(sector-1) != 0 || perCluster == 0 || perCluster&(perCluster-1) != 0 ||
		reserved == 0 || tables == 0 || length == 0 {
		return l, false
	}
	const entrySize = 32 // of the root directory
	data := reserved + tables*length + entries*entrySize/sector
	l = layout{clusterSize: sector * perCluster, clusters: (sectors - data) / perCluster, table: reserved * sector, bits: 16}
	const mostOfFAT12 = 0xff4
	switch {
	case fat32:
		l.bits = 32
	case l.clusters <= mostOfFAT12:
		l.bits = 12
	}
	l.clusters = min(l.clusters, length*sector*8/l.bits-firstCluster)
	return l, l.clusters > 0
}

// free counts the entries of clusters that are free, which are zero, in a part of the table
// that begins with an entry.
func (l *layout) free(table []byte, first int64) (n int64) {
	le := binary.LittleEndian
	count := min(int64(len(table))*8/l.bits, l.clusters+firstCluster-first)
	begin := max(firstCluster-first, 0)
	if begin >= count {
		return 0
	}
	switch l.bits {
	case 12:
		// Two entries share three bytes.
		for i := begin; i < count; i++ {
			entry := le.Uint16(table[i*3/2:])
			if i%2 != 0 {
				entry >>= 4
			}
			if entry&0xfff == 0 {
				n++
			}
		}
	case 16:
		for b := table[2*begin : 2*count]; len(b) >= 2; b = b[2:] {
			if le.Uint16(b) == 0 {
				n++
			}
		}
	default:
		const reserved = 4 // bits at the top that belong to nobody
		for b := table[4*begin : 4*count]; len(b) >= 4; b = b[4:] {
			if le.Uint32(b)<<reserved == 0 {
				n++
			}
		}
	}
	return n
}
