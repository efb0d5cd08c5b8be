// Package volume has the values in which the kinds of volumes describe themselves: LVM,
// MD, LUKS and the like, one package a kind beside this one.
//
// A kind is one function, [Type.Open]. It gets the devices that look like members of such a
// volume, reads their metadata, and returns plans: what volumes there are, and by which
// table of the device mapper the kernel shows each (see the kernel's
// Documentation/admin-guide/device-mapper), or how MD assembles it. It changes nothing and
// knows of no kernel, so it can be fuzzed, and compared with what the format's own tools
// print. Package unboot loads the plans.
//
// Metadata is taken to be hostile. A kind bounds what it reads, and checks every extent
// against the size of the device that it lies on.
package volume

import (
	"context"
	"fmt"
	"io"

	"github.com/unboot/unboot/volume/probe"
)

// SectorSize is the unit of tables, in bytes, whatever the sectors of the disks are.
const SectorSize = 512

// A Type is a kind of volume.
type Type struct {
	// Name is that of the package, such as "lvm".
	Name string
	// Members are the types of what Open is to be given, as package probe calls them:
	// "LVM2_member".
	Members []string
	// Blind says that volumes of the kind have no signature by which they could be found:
	// Open gets devices on which nothing was recognized, each only if a key names it.
	Blind bool
	// Partitioned is the parameter of a key by which it names a disk with partitions to a kind
	// that is Blind, or "". Without it such a disk is none that could be encrypted.
	Partitioned string
	// Beside says that Open is given, beside the members, all other devices of the image,
	// because a part of what it looks for has no signature. They have another Info, or none.
	Beside bool
	// Offset says that Open is given other devices as well for which it is known where their
	// metadata is: see [Member.Offset].
	Offset bool
	// Alone says that each member holds volumes of its own. Open is given only members
	// that it has not been given before, one at a time, so that no key is asked for again.
	Alone bool
	// Open returns the volumes of all the members that an image has. A volume that cannot
	// be used, or not wholly, is in the list with its Problems; what is wrong with a member
	// itself is noted in its Problems. It returns early when ctx ends.
	//
	// A volume comes after those that it lies on. Open may be called again with more members,
	// and is to return equal plans for what is the same.
	Open func(ctx context.Context, members []*Member, env *Env) []*Volume
}

// Env is what a kind of volumes may ask for.
type Env struct {
	// Keys yields the keys to be tried on what is locked. It may be nil.
	Keys Keyring
	// Decrypt decrypts data in place as dm-crypt does: cipher is in its notation
	// ("aes-xts-plain64"), sector the number of the first sector of 512 bytes, for the
	// initialization vectors. The length of data is a multiple of 512. The error wraps
	// unix.ENOENT if the kernel lacks the cipher. It is safe for concurrent use.
	Decrypt func(cipher string, key []byte, sector uint64, data []byte) error
	// Unbounded lifts the bounds on the memory and the time that a key derivation may
	// take according to the metadata.
	Unbounded bool
	// ForceDirty starts an array that lacks members and was not shut down cleanly: what is
	// computed from parity may be wrong where it was being written to. It also opens a device
	// without the cache that may have newer data.
	ForceDirty bool
	// ReadOnly says that nothing which is written to the members reaches the disks.
	ReadOnly bool
}

// A Base is what volumes lie on: a [*Member] or another [*Volume].
type Base interface{ base() }

// A Member is a device that is, or looks like, a part of volumes.
type Member struct {
	R          io.ReaderAt
	Size       int64       // in bytes
	SectorSize int         // of a logical block, in bytes
	Info       *probe.Info // what package probe found
	Name       string      // the device's name, such as "/dev/sda2", for messages
	Disk       bool        // it is a whole disk
	// Offset is where the metadata is, in bytes, of a device on which it is found by nothing
	// else; else 0.
	Offset int64

	// What the partition table says, of a partition: as in [github.com/unboot/unboot/volume/part.Partition].
	PartNumber                   int
	PartStart                    int64 // in bytes
	PartType, PartUUID, PartName string

	// Problems is what Open found wrong with the member.
	Problems []string
}

func (*Member) base() {}

// ReadFull fills b with what is at off, in bytes. The error names the device.
func (m *Member) ReadFull(b []byte, off int64) error {
	if off < 0 || off > m.Size-int64(len(b)) {
		return fmt.Errorf("%s ends at %d, before what is to be read at %d", m.Name, m.Size, off)
	}
	if n, err := m.R.ReadAt(b, off); n < len(b) {
		return fmt.Errorf("read %s at %d: %w", m.Name, off, err)
	}
	return nil
}

// A Volume is the plan of a block device.
type Volume struct {
	// Kind is what the column TYPE of lsblk(8) shows: "lvm", "crypt", "raid1", "dm"…
	Kind string
	// Name is the name for the device mapper ("vg-lv", as dmsetup(8) shows it). An array has
	// none if Array is set.
	Name string
	// Nodes are the paths under which the volume is known. The first is the one that
	// users expect to read: "/dev/vg/lv".
	Nodes []string
	// UUID identifies the device as `dmsetup info` shows it ("LVM-…", "CRYPT-LUKS2-…"), or
	// an array as mdadm(8) does.
	UUID string
	// Size is in bytes.
	Size int64
	// ReadOnly says that the volume is never to be written to, even if the image can be.
	ReadOnly bool
	// Hidden says that it is only a part of other volumes: nobody is to use it by itself.
	Hidden bool
	// Table has the lines of `dmsetup table`. It is nil if the volume is an array, is
	// locked, or cannot be used; then Problems says why.
	Table []Target
	// Array is how MD assembles the volume, or nil.
	Array *Array
	// Bases are what a volume lies on that is locked or cannot be used. Those of others
	// are in Table or Array: see [Volume.On].
	Bases []Base
	// Locked is set if no key was found that opens it.
	Locked *Lock
	// Info is what the metadata says, in the terms of the kind: *lvm.LV, *luks.Header…
	Info any
	// Problems says in words what is wrong with it.
	Problems []string
}

func (*Volume) base() {}

// Usable reports whether the plan can be loaded.
func (v *Volume) Usable() bool { return v.Table != nil || v.Array != nil }

// On returns what the volume lies on, each once.
func (v *Volume) On() []Base {
	var list []Base
	seen := map[Base]bool{}
	add := func(b Base) {
		if b != nil && !seen[b] {
			seen[b] = true
			list = append(list, b)
		}
	}
	for _, b := range v.Bases {
		add(b)
	}
	for _, t := range v.Table {
		for _, b := range t.Devices {
			add(b)
		}
	}
	if v.Array != nil {
		for _, d := range v.Array.Slots {
			add(d.Base)
		}
	}
	return list
}

// An Array is how MD is to assemble a volume.
type Array struct {
	// Number is the minor number that the array asks for, or -1.
	Number int
	// Major and Minor are the version of the superblocks: 0.90, or 1.0 to 1.2. Of metadata
	// that the kernel does not know they are -1, and Level, Layout, Chunk and Size say it all.
	Major, Minor int
	Level        int   // as in linux/raid/md_u.h: 0, 1, 4, 5, 6, 10, -1 for linear
	Layout       int   // as in the superblock
	Chunk        int64 // in bytes
	RaidDisks    int
	Size         int64 // of what each member gives, in bytes; 0 where members differ
	// Slots are the members that are there.
	Slots []Slot
	// Dirty says that the array was in use when its members were last written: parity
	// may not fit the data.
	Dirty bool
	// Degraded is how many members are missing.
	Degraded int
}

// A Slot is a member of an array.
type Slot struct {
	Base Base
	// Role is its place among the RaidDisks; -1 of a spare, -2 of a journal.
	Role int
	// Offset and Size are where its data lies, in bytes.
	Offset, Size int64
}
