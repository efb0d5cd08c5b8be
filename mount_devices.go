package unboot

import (
	"fmt"
	"strings"
)

// A file system can need more than one device: btrfs may lie on several, ext4 and XFS may
// have their journal on another.

// otherDevices returns the options that name the other devices of a file system which has
// several.
func (img *Image) otherDevices(d *Device) string {
	var opts []string
	for _, o := range append(d.Pool(), d.seeds()...) {
		opts = append(opts, "device="+o.Name)
	}
	return strings.Join(opts, ",")
}

// lacks returns how many devices of a file system are not in the image.
func (img *Image) lacks(d *Device) int {
	list := d.Pool()
	if len(list) == 0 {
		return 0
	}
	return max(0, d.Content.Devices-len(list))
}

// mountOrDegraded mounts a device. If others of its btrfs are missing, and the image is
// only read, it is mounted all the same, and the warnings of m say so.
func (img *Image) mountOrDegraded(d *Device, m *Mount, dir, fstype, data string) error {
	err := img.mount(d.Name, dir, fstype, m.ReadOnly, data)
	lacks := img.lacks(d)
	if err == nil || img.writable || lacks == 0 || fstype != "btrfs" ||
		img.mount(d.Name, dir, fstype, true, joinData(data, "degraded")) != nil {
		return err
	}
	what := "are missing"
	if a, _ := d.graph().copied(d.Content.UUID); a != nil {
		what = "are missing or there more than once"
	}
	m.warnings = append(m.warnings, fmt.Sprintf("%s: %d of the %d devices of its btrfs %s: mounted degraded",
		d.Name, lacks, d.Content.Devices, what))
	return nil
}

// journalOptions are the options that name an external journal.
var journalOptions = map[string]string{"xfs": "logdev=", "ext3": "journal_path=", "ext4": "journal_path="}

// journal returns the option that names the external journal of a file system, if it has
// one that is in the image, and data does not name it.
func (img *Image) journal(d *Device, data string) string {
	if d.Content == nil || d.Content.Journal == "" {
		return ""
	}
	option := journalOptions[d.Content.Type]
	if option == "" || strings.Contains(data, option) {
		return ""
	}
	for _, o := range img.found.Load().devices {
		c := o.Content
		if c != nil && o != d && (c.JournalOf == d.Content.Journal || c.Type == "jbd" && c.UUID == d.Content.Journal) {
			return option + o.Name
		}
	}
	return ""
}
