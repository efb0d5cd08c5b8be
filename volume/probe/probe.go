// Package probe finds out what a block device holds without mounting it: which file
// system, RAID member, encrypted volume or swap space, with its label and UUID.
//
// It answers as util-linux's blkid(8) does (blkid -p), with the same names of
// types, the same spelling of UUIDs and the same opinion of cases in doubt,
// because fstab, boot loaders and everybody's scripts have settled on those.
// Where it deviates:
//
//   - A file system whose superblock is recognizable but whose checksum is wrong
//     is still reported: the caller wants to hear from the kernel why it cannot be
//     mounted, not that there is nothing.
//   - A device with two signatures has the first one (in blkid's order) as its type
//     and the others in [Info.Others]. Blkid reports nothing then.
//   - Partition tables are package part's work.
//
// The data is taken to be hostile: all sizes are checked before they are used, a
// probe makes a bounded number of small reads, and nothing of it panics. Most
// devices take three reads: the first 68 KiB and two places near the end.
package probe

import (
	"io"
)

// Info is what a device holds.
type Info struct {
	Type    string // blkid's TYPE ("ext4", "LVM2_member"), "" if nothing was found
	Usage   Usage
	Label   string // volume label or name; raw bytes where the format knows no encoding
	UUID    string // as blkid spells it for the type; "" if there is none
	UUIDSub string // of this device among those that share UUID (btrfs, md, zfs)
	Version string // version of the format, in the type's own terms ("FAT32", "1.2")

	BlockSize int64 // blkid's BLOCK_SIZE, the unit of reads and writes, in bytes; 0 if unknown
	Size      int64 // bytes of the device that the format claims for itself; 0 if unknown
	Devices   int   // devices that together hold the data (btrfs, md); 0 if it is this one
	Device    int   // the number of this one among those that share UUID (btrfs)
	Seed      bool  // it is only read, and the beginning of others, which have UUIDs of their own (btrfs)

	// DataEnd, if not 0, says of a member (usage RAID) that what the array holds begins
	// with the device's first byte, as if it were on this device alone, and that it ends
	// before this offset. What is there by itself is in Others.
	DataEnd int64

	// Journal is set where the journal is on a device of its own: the device with this
	// UUID (ext4) or with it in JournalOf (XFS).
	Journal string
	// JournalOf is the UUID of the file system whose external journal this is (XFS).
	JournalOf string

	Others []string // types of further signatures on the device, usually left from earlier use
}

// Usage says what kind of thing a type is.
type Usage string

// The values of blkid's USAGE.
const (
	Filesystem Usage = "filesystem"
	RAID       Usage = "raid" // a member of something bigger: md, LVM, ZFS
	Crypto     Usage = "crypto"
	Other      Usage = "other" // swap, journals, caches
)

// prober recognizes one type or a family of types.
type prober struct {
	usage Usage
	kind  kind
	min   int64 // smallest device that can hold it
	probe func(*source) *Info
}

// kind is how a prober gets on with the others.
type kind int

const (
	strict   kind = iota
	tolerant      // may share a device with another signature by design
	outside       // a member with something inside, which is looked for too
	whole         // the same, only on whole disks
	weak          // its magic is short: tried only if nothing else was found
	rare          // takes further reads: the same
)

// tiny is the size of a floppy, in bytes. As in blkid, a device no larger has no RAID, and
// the first signature that fits is the only one.
const tiny = 1440 << 10

// probers are in the order in which blkid tries. What wraps something else
// comes before what can be inside.
var probers = []prober{
	{RAID, outside, 64 << 10, probeMDEnd},
	{RAID, strict, 64 << 10, probeMD},
	{RAID, outside, 192 << 10, probeDDF},
	{RAID, whole, 64 << 10, probeFirmware},
	{RAID, outside, 64 << 10, probeDRBD},
	{RAID, outside, 64 << 10, probeAppleRAID},
	{Other, strict, 8 << 10, probeBcache},
	{Other, strict, 0, probeBlueStore},
	{Other, strict, 64 << 10, probeDRBDOther},
	{RAID, strict, 64 << 10, probeLVM2},
	{RAID, strict, 64 << 10, probeLVM1},
	{Other, strict, 4 << 10, probeSnapshot},
	{Crypto, strict, 4 << 10, probeVerity},
	{Crypto, strict, 4 << 10, probeLUKS},
	{RAID, strict, 0, probeUBI},
	{Other, strict, 0, probeVDO},
	{RAID, strict, 8 << 10, probeStratis},
	{RAID, strict, 64 << 10, probeStorageSpaces},
	{RAID, strict, 64 << 10, probeSuper},
	{Crypto, strict, 64 << 10, probeBitLocker},
	{Crypto, strict, 4 << 10, probeCoreStorage},
	{Filesystem, strict, 0, probeVFAT},
	{Other, strict, 10 << 10, probeSwap},
	{Filesystem, strict, 64 << 10, probeXFS},
	{Filesystem, strict, 4 << 10, probeExt},
	{Filesystem, strict, 64 << 10, probeReiserfs},
	{Filesystem, strict, 64 << 10, probeJFS},
	{Filesystem, tolerant, 64 << 10, probeUDF},
	{Filesystem, tolerant, 34 << 10, probeISO},
	{Filesystem, strict, 256 << 10, probeZFS},
	{Filesystem, strict, 4 << 10, probeHFS},
	{Filesystem, strict, 16 << 10, probeUFS},
	{Filesystem, strict, 10 << 10, probeHPFS},
	{Filesystem, strict, 4 << 10, probeNTFS},
	{Filesystem, strict, 64 << 10, probeReFS},
	{Filesystem, strict, 0, probeCramfs},
	{Filesystem, strict, 0, probeROMFS},
	{Filesystem, strict, 32 << 20, probeGFS},
	{Filesystem, strict, 1 << 20, probeOCFS},
	{Filesystem, strict, 4 << 10, probeOracleASM},
	{Filesystem, strict, 4 << 10, probeVxFS},
	{Filesystem, strict, 0, probeSquashfs},
	{Filesystem, strict, 8 << 10, probeNSS},
	{Filesystem, strict, 64 << 10, probeBtrfs},
	{Filesystem, strict, 0, probeUBIFS},
	{Filesystem, strict, 0, probeJFFS2},
	{Filesystem, strict, 4 << 10, probeBeFS},
	{Filesystem, strict, 64 << 10, probeNilfs2},
	{Filesystem, strict, 4 << 10, probeExFAT},
	{Filesystem, strict, 64 << 10, probeF2FS},
	{Filesystem, strict, 4 << 10, probeMpool},
	{Filesystem, strict, 4 << 10, probeAPFS},
	{Filesystem, strict, 4 << 10, probeZoneFS},
	{Filesystem, strict, 1 << 10, probeEROFS},
	{Filesystem, strict, 8 << 10, probeBcachefs},
	{Filesystem, strict, 4 << 10, probeOMFS},
	{Filesystem, strict, 4 << 10, probeQNX6},
	{Crypto, strict, 4 << 10, probeIntegrity},
	{Filesystem, weak, 1 << 10, probeBFS},
	{Filesystem, weak, 4 << 10, probeMinix},
	{Filesystem, weak, 4 << 10, probeQNX4},
	{Filesystem, weak, 4 << 10, probeEFS},
	{Filesystem, weak, 4 << 10, probeSystemV},
	{Filesystem, rare, 4 << 10, probeAFFS},
	{Filesystem, rare, 512 << 10, probeUFSFar},
	{RAID, rare, 1<<20 + 4<<10, probeVMFSMember},
	{Filesystem, rare, 2<<20 + 512, probeVMFS},
	{Other, rare, 10 << 20, probeXFSLog},
}

// Probe looks at a device of size bytes. A device that holds nothing known has
// an [Info] with an empty Type, which is not an error. Errors are those of r.
//
// Sizes, labels and everything else in the result come from the device and may be
// false; strings are bounded by what the formats allow, at most 1 KiB.
func Probe(r io.ReaderAt, size int64) (*Info, error) { return look(r, size, disk) }

// Partition is Probe for a partition of a disk: it does not look for the RAID of
// firmware, whose members are whole disks. At the end of the last partition it would find
// metadata that describe the disk.
func Partition(r io.ReaderAt, size int64) (*Info, error) { return look(r, size, partition) }

// Partitioned is Probe for a disk that has partitions. It spares the reads for what lies on a
// disk by itself or not at all, such as the journal of another file system.
func Partitioned(r io.ReaderAt, size int64) (*Info, error) { return look(r, size, partitioned) }

// place is what kind of device is looked at.
type place int

const (
	disk place = iota
	partitioned
	partition
)

func look(r io.ReaderAt, size int64, at place) (*Info, error) {
	s := newSource(r, size)
	defer s.release()
	if err := s.readHead(); err != nil {
		return nil, err
	}
	var found *Info
	intolerant := false
	for i := range probers {
		p := &probers[i]
		if size < p.min || p.usage == RAID && size <= tiny || p.kind >= weak && found != nil ||
			p.kind == whole && at == partition || p.kind == rare && at == partitioned {
			continue
		}
		info := p.probe(s)
		if info == nil {
			continue
		}
		if info.Usage == "" {
			info.Usage = p.usage
		}
		intolerant = intolerant || p.kind != tolerant
		if found == nil {
			found = info
		} else {
			found.Others = append(found.Others, info.Type)
		}
		// Encrypted data and a member's data may look like anything by chance. Only a
		// member whose data begins with the device is looked into further.
		if size <= tiny || (p.usage == RAID || p.usage == Crypto) && info.DataEnd == 0 {
			break
		}
	}
	if found == nil {
		// A device that cannot be read is not an empty one.
		return &Info{}, s.err
	}
	if !intolerant {
		found.Others = nil // a UDF bridge disc is a UDF disc
	}
	return found, nil
}
