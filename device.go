package unboot

import (
	"fmt"

	"github.com/unboot/unboot/volume/probe"
)

// A Kind of device says what it is made of.
type Kind string

// The kinds of devices.
const (
	KindDisk      Kind = "disk"
	KindPartition Kind = "part"
)

// A Device is something with blocks: a disk, or a partition of one.
type Device struct {
	// Name is the path of its node in the kernel, such as "/dev/sda1".
	Name string
	Kind Kind
	// Disk is the index of the disk it lies on, in [Image.Disks].
	Disk int
	// Number is that of the partition, from 1; 0 for a disk.
	Number int
	// Start is the offset on the disk, in bytes.
	Start int64
	// Size is in bytes.
	Size int64
	// Partition is what the partition table says, or nil for a disk.
	Partition *Partition
	// Content is what was found on the device, or nil if nothing is known
	// there.
	Content *probe.Info
}

// A Partition is an entry of a partition table.
type Partition struct {
	// Table is the kind of table, such as "gpt" or "dos".
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
