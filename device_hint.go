package unboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// hints say what is to be done with what cannot be mounted, by blkid's types.
var hints = map[string]string{
	"apfs":                  "Linux has no driver for it; try: apfs-fuse",
	"ReFS":                  "Linux has no driver for it",
	"VMFS":                  "Linux has no driver for it; try: vmfs6-fuse",
	"storage_spaces_member": "a part of a pool of Windows Storage Spaces; Linux has no driver for it",
	"bcache":                "a device with a cache, or the cache",
	"zfs_member":            "a part of a pool; try, on a host with ZFS: zpool import",
	"LVM1_member":           "a part of a volume group of LVM's first format; try, on an old system: vgconvert -M2",
	"LVM2_member":           "a part of a volume group",
	"squashfs3":             "of an old version; try: unsquashfs",
	"squashfs_vendor":       "changed by a maker of devices; try: sasquatch",
	"jffs2":                 "for raw flash; try: jefferson",
	"ubifs":                 "for raw flash; try: ubireader_extract_files",
	"ubi":                   "an image of raw flash; try: ubireader_extract_images",
	"xfs_external_log":      "the journal of an XFS",
	"jbd":                   "the journal of an ext4",
	"ceph_bluestore":        "a part of a Ceph cluster",
	"swsuspend":             "a system that is suspended to disk",
	"crypto_LUKS":           "encrypted",
	"BitLocker":             "encrypted",
	"cs_fvault2":            "encrypted",
}

// hasVolumes reports whether a volume lies on the device, or on the disk that it is a
// partition of.
func (d *Device) hasVolumes() bool {
	is := func(o *Device) bool { return o.Volume != nil }
	if slices.ContainsFunc(d.Children(), is) {
		return true
	}
	for _, p := range d.Parents() {
		if p.isMember() && slices.ContainsFunc(p.Children(), is) {
			return true
		}
	}
	return false
}

// hasInactive reports whether a volume that cannot be used lies on a device.
func (img *Image) hasInactive(d *Device) bool {
	return slices.ContainsFunc(img.found.Load().inactive, func(v Inactive) bool {
		return slices.ContainsFunc(v.On, func(o *Device) bool { return o.Name == d.Name })
	})
}

// lockHint says what would open a volume that is locked.
func lockHint(l *volume.Lock) string {
	if l.Err != nil {
		return fmt.Sprintf("%s: %v", l.Format, l.Err)
	}
	var slots []string
	for _, s := range l.Slots {
		slots = append(slots, s.ID+": "+s.Descr)
	}
	what, _ := lockedAs(l)
	hint := what + ", " + l.Format
	if l.Tried > 0 {
		hint += fmt.Sprintf(", keys tried: %d", l.Tried)
	}
	if len(slots) > 0 {
		hint += " (" + strings.Join(slots, "; ") + ")"
	}
	return hint
}

// Hint says, in words and in one line, what a device is that holds no file system which
// could be mounted, or what to do with it. It is "" if there is nothing to say.
func (img *Image) Hint(d *Device) string {
	switch c := d.Content; {
	case d.Locked != nil:
		return lockHint(d.Locked)
	case c == nil:
		return img.found.Load().notes[d.Name]
	case canMount(c), d.hasVolumes(), img.hasInactive(d), d.isMember() && d.apparent() == "" && len(d.Problems) > 0:
		return "" // or it is seen what it is a part of, or said why that cannot be used
	case d.isMember() && d.apparent() != "":
		return fmt.Sprintf("a part of something bigger; what looks like %s can be read by naming %s", d.apparent(), d.Name)
	case c.Type == "ldm_member" && d.Kind == KindDisk:
		return "a Windows dynamic disk; its volumes may need other disks"
	case hints[c.Type] != "":
		return hints[c.Type]
	case strings.HasSuffix(c.Type, "_member"):
		return "a part of something bigger"
	case c.Usage == probe.Filesystem:
		return "this kernel has no driver for it"
	}
	return ""
}
