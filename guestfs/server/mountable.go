package server

import "strings"

// A mountable is a device or a subvolume of btrfs on one.
type mountable struct {
	device string
	volume string // without a slash at its beginning; "" for the device
}

// parseMountable splits a mountable that was looked at, as arguments are.
func (s *Server) parseMountable(v string) mountable {
	rest, volume := strings.CutPrefix(v, volumePrefix)
	if !volume {
		return mountable{device: v}
	}
	device, path, ok := s.splitVolume(rest)
	if !ok {
		return mountable{device: rest}
	}
	return mountable{device, strings.TrimPrefix(path, "/")}
}

func (m mountable) String() string {
	if m.volume == "" {
		return m.device
	}
	return volumePrefix + m.device + "/" + m.volume
}
