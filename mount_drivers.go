package unboot

import (
	"slices"
	"strings"

	"github.com/unboot/unboot/volume/probe"
)

// A driver is a way to mount a device: the kernel's driver and its options.
type driver struct {
	name string
	data string
}

// replaysWritable are drivers that replay their journal only if they are
// mounted for writing: f2fs says that it cannot, and goes on without.
var replaysWritable = map[string]bool{"f2fs": true}

// File systems without owners and permissions get those that a mount by root
// usually has, for the kernel's tasks run without a umask here.
const noPermissions = "umask=0022"

// drivers maps the types of package probe to the kernel's drivers where the
// name or the options are not what one would expect. Several are tried in
// turn.
var drivers = map[string][]driver{
	"ext2":    {{"ext4", ""}},
	"ext3":    {{"ext4", ""}},
	"ext4dev": {{"ext4", ""}},
	// The UUIDs of snapshots and copies are alike, and nothing here finds a
	// file system by the kernel's list of them.
	"xfs":     {{"xfs", "nouuid"}},
	"vfat":    {{"vfat", noPermissions}},
	"exfat":   {{"exfat", noPermissions}},
	"ntfs":    {{"ntfs3", noPermissions}},
	"hfsplus": {{"hfsplus", noPermissions}},
	"hfsx":    {{"hfsplus", noPermissions}},
	"ufs": {
		{"ufs", "ufstype=ufs2"}, {"ufs", "ufstype=44bsd"}, {"ufs", "ufstype=sun"},
		{"ufs", "ufstype=sunx86"}, {"ufs", "ufstype=openstep"}, {"ufs", "ufstype=old"},
	},
}

// inKernel are the drivers for block devices that this kernel has. A type without one
// is named, but does not count as a file system: nothing could be done with it.
var inKernel = set(
	"affs", "befs", "bfs", "btrfs", "cramfs", "efs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs",
	"hfs", "hfsplus", "hpfs", "iso9660", "jfs", "minix", "msdos", "nilfs2", "ntfs3", "omfs", "qnx4",
	"reiserfs", "romfs", "squashfs", "udf", "ufs", "vfat", "xfs",
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// readOnlyTypes are never mounted for writing: the driver refuses, or its
// writing is not to be trusted, as for those that no test here writes to.
var readOnlyTypes = set(
	"iso9660", "squashfs", "erofs", "cramfs", "romfs", "ufs", "befs", "efs", "qnx4",
	"affs", "bfs", "hpfs", "omfs",
)

// canMount reports whether a device holds a file system with a driver.
func canMount(c *probe.Info) bool {
	return c != nil && c.Usage == probe.Filesystem && hasDriver(c.Type)
}

// hasDriver reports whether the kernel has a driver for a type of file system.
func hasDriver(fstype string) bool {
	_, ok := drivers[fstype]
	return ok || inKernel[fstype]
}

// driversFor returns the drivers to try for a device. For reading they are those of all
// signatures that it has: the first may be left from an earlier use.
func driversFor(d *Device, readOnly bool) []driver {
	t := d.apparent()
	if t == "" {
		return nil
	}
	list := driversOf(t, d.Content.Version)
	for _, other := range d.Content.Others {
		if readOnly && other != t && hasDriver(other) {
			list = append(list, driversOf(other, "")...)
		}
	}
	return list
}

// driversOf returns the drivers to try for a type and version of file system.
func driversOf(fstype, version string) []driver {
	list, ok := drivers[fstype]
	switch {
	case !ok:
		return []driver{{fstype, ""}}
	case fstype == "ufs" && strings.Contains(version, "2"):
		return list[:1:1]
	}
	return slices.Clone(list)
}

// tuning returns options that make a driver faster on a device.
func (img *Image) tuning(d *Device, driver string) string {
	// ext4 reads 32 blocks with inodes around each that it needs. From a file
	// of the host, mostly in its page cache, coming back for more is cheaper.
	if disk, _ := img.found.Load().disk(d); driver == "ext4" && disk != nil && disk.raw {
		return "inode_readahead_blks=4"
	}
	return ""
}

// joinData joins lists of options.
func joinData(lists ...string) string {
	return strings.Join(slices.DeleteFunc(lists, func(l string) bool { return l == "" }), ",")
}
