package inspect

import (
	"cmp"
	"io/fs"
	"strconv"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// A Source is a disk image, or several that belong to one machine, as a list of
// devices which can be mounted.
type Source interface {
	// Devices returns the devices that may hold a file system or swap space, in
	// an order that is the same at each call. A disk with partitions is left
	// out, or has no Type.
	Devices() []Device
	// Mount mounts a device, named by its Name, read-only. The options are
	// those of the file system, "subvol=@" or "". The error says what was to be
	// mounted.
	Mount(device, options string) (Mounted, error)
}

// A SubvolumeSource is a Source that can list the subvolumes of a btrfs. Those of one
// that cannot are found only where they are the default.
type SubvolumeSource interface {
	Source
	// Subvolumes returns the subvolumes of the btrfs on a device, without the
	// top level.
	Subvolumes(device string) ([]Subvolume, error)
}

// Mounted is a mounted device. Symbolic links are to be resolved inside of it, where
// Open and Stat meet them. If it has a Stat method (fs.StatFS), nothing but regular
// files and directories is opened.
type Mounted interface {
	fs.ReadLinkFS
	// Unmount gives the device back. No other method is called afterwards. A source
	// may keep it mounted, as it may be asked for again.
	Unmount() error
}

// Device is a device of a [Source].
type Device struct {
	// The embedded fields are the names that an fstab may have for the device.
	fstab.Device
	Name string // "/dev/sda1", "/dev/vg/lv"
	Type string // of its contents, as blkid names it: "ext4", "swap"; "" if unknown
	// Start is where a partition begins, in bytes from the start of its disk.
	Start int64
	// DynamicID is the GUID of a volume of Windows dynamic disks, its bytes in the order in
	// which the disks have them.
	DynamicID string
}

// Subvolume is a subvolume of a btrfs.
type Subvolume struct {
	ID         uint64
	Path       string // from the top level: "@", "var/lib/machines/a"
	UUID       string
	ParentUUID string // of what it is a snapshot of, or ""
	Default    bool   // it is what is mounted if no subvolume is named
}

// Option returns the mount option that mounts the subvolume. It is the path, which people
// can read, unless that has a comma in it, which would end the option.
func (s *Subvolume) Option() string {
	if strings.Contains(s.Path, ",") {
		return "subvolid=" + strconv.FormatUint(s.ID, 10)
	}
	return "subvol=" + s.Path
}

const mountablePrefix = "btrfsvol:"

// Mountable returns the name that guestfs(3) has for a device, or for a subvolume of
// the btrfs on it: "/dev/sda2", "btrfsvol:/dev/sda2/@home".
func Mountable(device, subvolume string) string {
	if subvolume = strings.Trim(subvolume, "/"); subvolume == "" {
		return device
	}
	return mountablePrefix + device + "/" + subvolume
}

// ParseMountable takes the result of [Mountable] apart. As names of devices contain
// slashes, it asks isDevice where the device's ends; the longest one that is a device
// is taken. The device is "" if there is none. The subvolume is "/" for the top level of a
// btrfs whose default is another one.
func ParseMountable(name string, isDevice func(string) bool) (device, subvolume string) {
	rest, ok := strings.CutPrefix(name, mountablePrefix)
	if !ok {
		if isDevice(name) {
			return name, ""
		}
		return "", ""
	}
	for i := len(rest) - 1; i > 0; i-- {
		if rest[i] == '/' && isDevice(rest[:i]) {
			return rest[:i], cmp.Or(rest[i+1:], "/")
		}
	}
	return "", ""
}
