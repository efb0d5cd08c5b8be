package server

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/devname"
)

// canonicalDevice returns the name that a device has here: /dev/sdX for the names that
// other disk drivers would give it, and for those that labels make.
func (s *Server) canonicalDevice(name string) string {
	if label, ok := strings.CutPrefix(name, "/dev/disk/guestfs/"); ok {
		for i, d := range s.config.Drives {
			if part, ok := strings.CutPrefix(label, d.Label); ok && d.Label != "" && strings.Trim(part, "0123456789") == "" {
				return devname.Disk(i) + part
			}
		}
	}
	return devname.Canonical(name)
}

// resolveDevice returns the name of a device in our kernel. The error is ENOENT if there
// is none, ENOTBLK if it is no block device.
func (s *Server) resolveDevice(name string) (string, error) {
	if !strings.HasPrefix(name, "/dev/") {
		return "", unix.ENOENT
	}
	name = s.canonicalDevice(name)
	if !s.deviceExists(name) {
		return "", unix.ENOENT
	}
	return name, nil
}

// deviceExists reports whether there is a block device of that name, or some below it.
func (s *Server) deviceExists(name string) bool {
	if i, partition, ok := devname.Index(name); ok && partition == "" && i < len(s.config.Drives) {
		return true // without waiting for the kernel
	}
	img, err := s.image()
	if err != nil {
		s.logf("%v", err)
		return false
	}
	_, err = img.Device(name)
	return err == nil || isDeviceDir(img, name)
}

// isDeviceDir reports whether a name is that of a directory of block devices: a volume group
// is one, and lvremove takes it.
func isDeviceDir(img *unboot.Image, name string) bool {
	inside := func(device string) bool { return strings.HasPrefix(device, name+"/") }
	for _, d := range img.Devices() {
		if inside(d.Name) || slices.ContainsFunc(d.Aliases, inside) {
			return true
		}
	}
	return false
}

// splitVolume splits DEVICE/PATH, where PATH is a subvolume's. The path keeps its slash.
func (s *Server) splitVolume(v string) (device, path string, ok bool) {
	for i := len(v) - 1; i > 0; i-- {
		if v[i] != '/' {
			continue
		}
		if name, err := s.resolveDevice(v[:i]); err == nil {
			return name, v[i:], true
		}
	}
	return "", "", false
}
