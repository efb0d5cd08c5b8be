// Package probe tells what a block device holds without mounting it: which file
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
	rare          // takes further reads: tried only if nothing else was found
)

// Floppies and the like are tiny. They have no RAID, and what first fits is it.
const tiny = 1440 << 10

// probers are in the order in which blkid tries. What wraps something else
// comes before what can be inside.
var probers = []prober{
	{RAID, strict, 64 << 10, probeMD},
	{RAID, strict, 64 << 10, probeFakeRAID},
	{Other, strict, 8 << 10, probeBcache},
	{RAID, strict, 64 << 10, probeLVM2},
	{Other, strict, 4 << 10, probeSnapshot},
	{Crypto, strict, 4 << 10, probeVerity},
	{Crypto, strict, 4 << 10, probeLUKS},
	{Crypto, strict, 64 << 10, probeBitLocker},
	{Filesystem, strict, 0, probeVFAT},
	{Other, strict, 10 << 10, probeSwap},
	{Filesystem, strict, 64 << 10, probeXFS},
	{Filesystem, strict, 4 << 10, probeExt},
	{Filesystem, strict, 64 << 10, probeReiserfs},
	{Filesystem, strict, 64 << 10, probeJFS},
	{Filesystem, tolerant, 64 << 10, probeUDF},
	{Filesystem, tolerant, 34 << 10, probeISO},
	{Filesystem, strict, 64 << 20, probeZFS},
	{Filesystem, strict, 4 << 10, probeHFS},
	{Filesystem, strict, 16 << 10, probeUFS},
	{Filesystem, strict, 4 << 10, probeNTFS},
	{Filesystem, strict, 64 << 10, probeReFS},
	{Filesystem, strict, 0, probeCramfs},
	{Filesystem, strict, 0, probeROMFS},
	{Filesystem, strict, 4 << 10, probeMinix},
	{Filesystem, strict, 0, probeSquashfs},
	{Filesystem, strict, 64 << 10, probeBtrfs},
	{Filesystem, strict, 64 << 10, probeNilfs2},
	{Filesystem, strict, 4 << 10, probeExFAT},
	{Filesystem, strict, 64 << 10, probeF2FS},
	{Filesystem, strict, 4 << 10, probeAPFS},
	{Filesystem, strict, 1 << 10, probeEROFS},
	{Filesystem, strict, 8 << 10, probeBcachefs},
	{Crypto, strict, 4 << 10, probeIntegrity},
	{Filesystem, rare, 512 << 10, probeUFSFar},
	{RAID, rare, 4 << 20, probeVMFSMember},
	{Filesystem, rare, 3 << 20, probeVMFS},
}

// Probe looks at a device of size bytes. A device that holds nothing known has
// an [Info] with an empty Type, which is not an error. Errors are those of r.
//
// Sizes, labels and everything else in the result come from the device and may be
// false; strings are bounded by what the formats allow, at most 1 KiB.
func Probe(r io.ReaderAt, size int64) (*Info, error) {
	s := newSource(r, size)
	defer s.release()
	if err := s.readHead(); err != nil {
		return nil, err
	}
	var found *Info
	intolerant := false
	for i := range probers {
		p := &probers[i]
		if size < p.min || p.usage == RAID && size <= tiny || p.kind == rare && found != nil {
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
		if size <= tiny || p.usage == RAID || p.usage == Crypto {
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
