package fstab

import (
	"slices"
	"strings"
)

// Device is what is known of a device of the image. Fields that are unknown are
// empty.
type Device struct {
	UUID      string // of the file system, as blkid spells it
	Label     string // of the file system
	PartUUID  string // of the partition, as blkid spells it
	PartLabel string // name of the partition, in GPT
	Disk      int    // index of the disk among the image's, from 0
	Partition int    // its number; 0 if the device is the whole disk
	Mapped    string // name under /dev/mapper, "vg-lv"; "" if it is not a mapped device
	VG, LV    string // of a logical volume
	// Nodes are the names that the system which made a volume has for it: "/dev/md/home".
	Nodes []string
	// Encrypted is the device that an encrypted volume is on, or nil.
	Encrypted *Device
	// Array is the UUID of an array, or "".
	Array string
	// Path is the name of its device file, for names that tell neither an identity
	// nor a position: "/dev/md0".
	Path string
	// Pool is the same for all devices of one file system that has several, as
	// btrfs can; "" for others.
	Pool string
}

// Matches reports whether the spec means the device. What UUIDs and labels say is
// certain, and so are the names of logical volumes. A disk's name (/dev/sdb2) is
// matched by its index among the disks and the number of the partition; see
// [Spec.Certain]. That of an array, /dev/md0, says nothing of disks, nor do those of
// loop and nbd.
func (s Spec) Matches(d Device) bool {
	switch s.Kind {
	case UUID:
		return sameUUID(s.Value, d.UUID)
	case Label:
		return s.Value != "" && s.Value == d.Label
	case PartUUID:
		return sameUUID(s.Value, d.PartUUID)
	case PartLabel:
		return s.Value != "" && s.Value == d.PartLabel
	case Path:
		return s.matchesPath(d)
	}
	return false
}

// Certain reports whether a match of the spec is a fact. If not, it rests on the order
// of disks, and another machine's order may have been different: where no other
// entry contradicts it, it is good.
func (s Spec) Certain() bool {
	switch s.Kind {
	case UUID, Label, PartUUID, PartLabel:
		return true
	case Path:
		_, _, lvm := s.LVM()
		return lvm || strings.HasPrefix(s.Value, "/dev/mapper/")
	}
	return false
}

func (s Spec) matchesPath(d Device) bool {
	if slices.Contains(d.Nodes, s.Value) {
		return true
	}
	if d.Mapped != "" || d.LV != "" {
		if d.Mapped != "" && s.Value == "/dev/mapper/"+d.Mapped {
			return true
		}
		vg, lv, ok := s.LVM()
		return ok && d.LV != "" && vg == d.VG && lv == d.LV
	}
	driver, disk, partition, ok := s.Disk()
	return ok && !unordered[driver] && disk == d.Disk && partition == d.Partition
}

// unordered are the drivers whose numbers are no positions of disks.
var unordered = map[string]bool{"md": true, "loop": true, "nbd": true}

// sameUUID compares without regard to case: people write UUIDs of FAT in lower
// case, and others in upper case, and udev's links are what blkid says.
func sameUUID(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
