package unboot

import (
	"fmt"
	"strings"
)

// hintMount adds to the error of a device that could not be mounted with data what may help.
func (img *Image) hintMount(err error, d *Device, data string) error {
	if hint := img.mountHint(d, data); hint != "" && img.k.Err() == nil {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// mountHint says what may help to mount a device that could not be mounted with data.
func (img *Image) mountHint(d *Device, data string) string {
	c := d.Content
	if c == nil {
		return ""
	}
	option := journalOptions[c.Type]
	copies := ""
	if c.Type == "btrfs" {
		g := img.found.Load()
		copies = g.copies(g.sharing(c.UUID)[0])
	}
	switch {
	case c.Devices <= 1 && needsEnd[c.Type] && c.Size > d.Size && img.writable:
		return fmt.Sprintf("%d bytes of it are missing: it can only be read, on an image that is not opened for writing", c.Size-d.Size)
	case copies != "" && c.Devices > 1:
		return copies
	case img.lacks(d) > 0:
		return fmt.Sprintf("%d of its %d devices are missing: add them, or mount %s with the option degraded",
			img.lacks(d), c.Devices, d.Name)
	case c.Journal != "" && option != "" && img.journal(d, data) == "" && !strings.Contains(data, option):
		return fmt.Sprintf("its journal is on another device: add that, or name it by the option %sDEVICE", option)
	}
	return ""
}
