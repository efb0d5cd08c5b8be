package unboot

import (
	"fmt"
	"strings"
)

// withoutJournal are the options with which a driver reads a file system as it is, and
// leaves its journal alone.
var withoutJournal = map[string]string{
	"ext3": "noload", "ext4": "noload", "xfs": "norecovery", "btrfs": "rescue=nologreplay",
	"nilfs2": "norecovery", "f2fs": "norecovery",
}

// mountHint says what may help to mount a device that could not be mounted with data. dir
// is an empty directory.
func (img *Image) mountHint(d *Device, data, dir string) string {
	c := d.Content
	if c == nil {
		return ""
	}
	option := journalOptions[c.Type]
	switch {
	case c.Devices <= 1 && needsEnd[c.Type] && c.Size > d.Size && img.writable:
		return fmt.Sprintf("%d bytes of it are missing: it can only be read, on an image that is not opened for writing", c.Size-d.Size)
	case img.lacks(d) > 0:
		return fmt.Sprintf("%d of its %d devices are missing: add them, or mount %s with the option degraded",
			img.lacks(d), c.Devices, d.Name)
	case c.Journal != "" && option != "" && img.journal(d, data) == "" && !strings.Contains(data, option):
		return fmt.Sprintf("its journal is on another device: add that, or name it by the option %sDEVICE", option)
	}
	skip := withoutJournal[c.Type]
	if skip == "" || strings.Contains(data, skip) {
		return ""
	}
	dr := driversOf(c.Type, c.Version)[0]
	if img.mount(d.Name, dir, dr.name, true, joinData(dr.data, skip, data)) != nil {
		return ""
	}
	img.k.Unmount(dir, 0)
	return fmt.Sprintf("its journal cannot be loaded; it can be read without it, as it was left, by mounting %s read-only with the option %s", d.Name, skip)
}
