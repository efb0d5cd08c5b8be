package unboot

import "maps"

// HashOffset says that a device has dm-verity's superblock and tree of hashes offset bytes
// in, where veritysetup(8) has put them with --hash-offset: after the data, as a rule, and
// nothing on the device says so. The data is verified as a volume of its own then, if there
// is a key with the root hash for the device. It can be named as [Image.Device] has it.
func HashOffset(device string, offset int64) Option {
	return func(c *config) {
		all := map[string]int64{device: offset}
		maps.Copy(all, c.hashOffsets) // an option can be used for several images
		all[device] = offset
		c.hashOffsets = all
	}
}

// metadataAt returns where on a device the caller has said that there is metadata, in bytes,
// or 0.
func (a *assembly) metadataAt(d *Device) int64 {
	for name, offset := range a.img.hashOffsets {
		if a.g.device(name) == d {
			return offset
		}
	}
	return 0
}
