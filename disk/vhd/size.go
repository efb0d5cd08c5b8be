package vhd

// Limits of the format, in bytes.
const (
	// maxSize is the size of the largest disk that anything makes: 2040 GiB. A sector's
	// number has 32 bits.
	maxSize = 0xff000000 * sector

	maxCylinders, maxHeads, maxSectors = 65535, 16, 255
	maxGeometry                        = maxCylinders * maxHeads * maxSectors // sectors
)

// Size returns the size of the disk in bytes. It is the one that the footer says, as Hyper-V,
// Azure, XenServer, VirtualBox and Disk2vhd have it, except for images of Virtual PC and of
// QEMU up to version 2.6 (without force_size): their disk is as large as its geometry, which
// the size is rounded down to. As in QEMU, a geometry that is the largest possible says
// nothing. Unlike in QEMU, of an unknown creator the size is believed: nothing is cut off.
func (f *Footer) Size() int64 {
	chs := int64(f.Cylinders) * int64(f.Heads) * int64(f.Sectors)
	if (f.Creator == "vpc " || f.Creator == "qemu") && chs != maxGeometry && chs != 0 {
		return chs * sector
	}
	return f.Current / sector * sector
}

// geometry returns cylinders, heads and sectors for a disk of so many sectors by the rule in
// the appendix of the specification, which rounds down.
func geometry(total int64) (c, h, s int64) {
	total = min(total, maxGeometry)
	if total >= maxCylinders*16*63 {
		s, h = 255, 16
		return total / s / h, h, s
	}
	s = 17
	ch := total / s
	h = max((ch+1023)/1024, 4)
	if ch >= h*1024 || h > 16 {
		s, h = 31, 16
		ch = total / s
	}
	if ch >= h*1024 {
		s, h = 63, 16
		ch = total / s
	}
	return ch / h, h, s
}
