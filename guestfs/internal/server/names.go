package server

import (
	"strings"

	"golang.org/x/sys/unix"
)

// diskName returns the name of the i-th disk, from 0: /dev/sda … /dev/sdz, /dev/sdaa.
func diskName(i int) string {
	s := ""
	for i++; i > 0; i = (i - 1) / 26 {
		s = string(rune('a'+(i-1)%26)) + s
	}
	return "/dev/sd" + s
}

// canonicalDevice returns the name that a device has here: /dev/sdX for the names that
// other disk drivers would give it, and for those that labels make.
func (s *Server) canonicalDevice(name string) string {
	for _, prefix := range []string{"/dev/vd", "/dev/hd"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
			return "/dev/sd" + rest
		}
	}
	if label, ok := strings.CutPrefix(name, "/dev/disk/guestfs/"); ok {
		for i, d := range s.config.Drives {
			if part, ok := strings.CutPrefix(label, d.Label); ok && d.Label != "" && strings.Trim(part, "0123456789") == "" {
				return diskName(i) + part
			}
		}
	}
	return name
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

// deviceExists reports whether there is a block device of that name.
func (s *Server) deviceExists(name string) bool {
	for i := range s.config.Drives {
		if diskName(i) == name {
			return true
		}
	}
	img, err := s.image()
	if err != nil {
		s.logf("%v", err)
		return false
	}
	_, err = img.Device(name)
	return err == nil
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
