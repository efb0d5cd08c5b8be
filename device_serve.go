package unboot

import "github.com/unboot/unboot/disk"

// blockDevice returns a device as package lkl wants it, which looks for the methods of
// the value that it gets: with those that d has through wrappers, and no others, since a
// kernel that is promised discards must not be refused them.
func blockDevice(d disk.Device) disk.Device {
	discarder, discards := disk.As[disk.Discarder](d)
	zeroer, zeroes := disk.As[disk.ZeroWriter](d)
	switch {
	case discards && zeroes:
		return struct {
			disk.Device
			disk.Discarder
			disk.ZeroWriter
		}{d, discarder, zeroer}
	case discards:
		return struct {
			disk.Device
			disk.Discarder
		}{d, discarder}
	case zeroes:
		return struct {
			disk.Device
			disk.ZeroWriter
		}{d, zeroer}
	}
	return struct{ disk.Device }{d}
}

// hostSectorSize returns the size in bytes of the blocks that a device reads and writes,
// or 0 if it does not care.
func hostSectorSize(d disk.Device) int {
	if s, ok := disk.As[disk.SectorSizer](d); ok {
		return s.SectorSize()
	}
	return 0
}

// isHostFile reports whether the kernel process can read and write a device by itself.
func isHostFile(d disk.Device) bool {
	_, ok := disk.As[disk.HostFile](d)
	return ok
}
