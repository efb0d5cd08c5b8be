package unboot

import (
	"fmt"
	"slices"
	"strings"
)

// Devices returns all devices: each disk followed by its partitions, in the
// order of their numbers. Nothing is mounted to find out their content.
func (img *Image) Devices() []*Device { return slices.Clone(img.devices) }

// FileSystems returns the devices that hold a file system which this kernel
// can mount.
func (img *Image) FileSystems() []*Device {
	var list []*Device
	for _, d := range img.devices {
		if canMount(d.Content) {
			list = append(list, d)
		}
	}
	return list
}

// Device returns a device by its name (/dev/sda1, or sda1), or the first that
// matches UUID=, LABEL=, PARTUUID= or PARTLABEL=, as in fstab(5). If there is
// none, the error wraps [ErrNotFound].
func (img *Image) Device(name string) (*Device, error) {
	match := matcher(name)
	for _, d := range img.devices {
		if match(d) {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
}

// matcher returns what decides whether a device is the one that name means.
func matcher(name string) func(*Device) bool {
	key, value, tagged := strings.Cut(name, "=")
	value = strings.Trim(value, `"`)
	if !tagged {
		key, value = linkTag(name)
	}
	switch key {
	case "UUID":
		return func(d *Device) bool { return d.Content != nil && sameUUID(d.Content.UUID, value) }
	case "LABEL":
		return func(d *Device) bool { return d.Content != nil && value != "" && d.Content.Label == value }
	case "PARTUUID":
		return func(d *Device) bool { return d.Partition != nil && sameUUID(d.Partition.UUID, value) }
	case "PARTLABEL":
		return func(d *Device) bool { return d.Partition != nil && value != "" && d.Partition.Name == value }
	}
	if !strings.HasPrefix(name, "/") {
		name = "/dev/" + name
	}
	return func(d *Device) bool { return d.Name == name }
}

// sameUUID compares UUIDs, which are written in both cases.
func sameUUID(a, b string) bool { return b != "" && strings.EqualFold(a, b) }

// linkTag translates the symbolic links that udev makes, in which systems'
// fstabs sometimes name devices.
func linkTag(name string) (key, value string) {
	for _, t := range [...]struct{ dir, key string }{
		{"/dev/disk/by-uuid/", "UUID"},
		{"/dev/disk/by-label/", "LABEL"},
		{"/dev/disk/by-partuuid/", "PARTUUID"},
		{"/dev/disk/by-partlabel/", "PARTLABEL"},
	} {
		if v, ok := strings.CutPrefix(name, t.dir); ok {
			return t.key, udevUnescape(v)
		}
	}
	return "", ""
}

// udevUnescape undoes udev's escaping of bytes as \x20.
func udevUnescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		if strings.HasPrefix(s[i:], `\x`) && len(s) >= i+4 {
			if _, err := fmt.Sscanf(s[i+2:i+4], "%02x", &c); err == nil {
				b.WriteByte(c)
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
