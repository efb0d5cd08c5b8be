package server

import (
	"context"
	"slices"
	"strings"

	"github.com/unboot/unboot"
)

// ListDmDevices returns the devices of the device mapper that are no logical volumes.
func (s *Server) ListDmDevices(ctx context.Context) (list []string, err error) {
	if len(s.config.Drives) == 0 {
		return nil, nil
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	for _, d := range img.Devices() {
		if name := mapperName(d); name != "" && d.Kind != unboot.KindLVM {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list, nil
}

// mapperName returns the name of a device in /dev/mapper, or "".
func mapperName(d *unboot.Device) string {
	for _, name := range append([]string{d.Name}, d.Aliases...) {
		if strings.HasPrefix(name, mapperPrefix) {
			return name
		}
	}
	return ""
}

// List9p returns the mount tags of file systems that the host shares. There are none.
func (s *Server) List9p(ctx context.Context) ([]string, error) { return nil, nil }
