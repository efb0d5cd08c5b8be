package unboot

import (
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// A Kind of device says what it is made of, in the words of the column TYPE of lsblk(8).
type Kind string

// The kinds of devices.
const (
	KindDisk      Kind = "disk"
	KindPartition Kind = "part"
	KindLoop      Kind = "loop" // a file of a mounted file system: see [FS.MountLoop]

	// Of those that are made from others: see Volume. Arrays of MD have their level, such as
	// "raid1", and what else there is on the device mapper "dm".
	KindLVM   Kind = "lvm"
	KindCrypt Kind = "crypt"
)

// A Device is a block device of an image: a disk, a partition, a volume that is made from
// those, or a file that is attached as a device. Devices lie on each other and form a graph without cycles: see
// [Device.Parents] and [Device.Children].
//
// A Device does not change. When [Image.Rescan] finds a device changed, the image has a
// new value for it afterwards.
type Device struct {
	// Name is the path of its node in the kernel, such as "/dev/sda1".
	Name string
	// Aliases are the paths of other nodes that are the same device.
	Aliases []string
	Kind    Kind
	// Size is in bytes.
	Size int64
	// Partition is what the partition table says, or nil if it is not a partition.
	Partition *Partition
	// Volume is what the metadata of a logical volume, an array, or an encrypted device says;
	// nil if it is none of these.
	Volume *volume.Volume
	// Locked says what would open the encrypted volume that the device holds, if no key
	// did: see [Keys] and [Image.Unlock].
	Locked *volume.Lock
	// Content is what was found on the device, or nil if nothing is known
	// there. Devices that hold one file system together have equal contents, each its own.
	Content *probe.Info
	// Problems describes, in words, the faults of the device that were noticed.
	Problems []string

	// in is the last graph that has the device: Parents and Children are asked of that.
	in atomic.Pointer[graph]
}

// A Partition is an entry of a partition table.
type Partition struct {
	// Number is that of the entry, from 1.
	Number int
	// Start is the offset on the device that the table divides, in bytes.
	Start int64
	// Table is the kind of table, such as "gpt" or "dos"; "" if the kernel alone knows it.
	Table string
	// Type is the type as the table has it: a GUID in lower case, or a
	// number such as "0x83".
	Type string
	// TypeName is the type in words, such as "Linux filesystem", or "".
	TypeName string
	// Name is the name of the partition, or "".
	Name string
	// UUID is what PARTUUID= means: of a dos table, the disk's identifier
	// and the number.
	UUID string
	// Bootable says that the partition is marked so: active (dos) or legacy
	// BIOS bootable (gpt).
	Bootable bool
}

// String returns a short description: "/dev/sda1 (ext4, label root)".
func (d *Device) String() string {
	s := d.Name
	if c := d.Content; c != nil {
		s += " (" + c.Type
		if c.Label != "" {
			s += fmt.Sprintf(", label %q", c.Label)
		}
		s += ")"
	}
	return s
}

// start returns where the device begins on its disk, in bytes.
func (d *Device) start() int64 {
	if d.Partition == nil {
		return 0
	}
	return d.Partition.Start
}

// equal reports whether two values say the same of a device, apart from what it lies on.
func (d *Device) equal(o *Device) bool {
	return d.Name == o.Name && d.Kind == o.Kind && d.Size == o.Size &&
		reflect.DeepEqual(d.Aliases, o.Aliases) && reflect.DeepEqual(d.Partition, o.Partition) &&
		d.Volume == o.Volume && reflect.DeepEqual(d.Locked, o.Locked) &&
		reflect.DeepEqual(d.Content, o.Content) && reflect.DeepEqual(d.Problems, o.Problems)
}
