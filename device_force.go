package unboot

// ForceDirty starts arrays of Linux software RAID that lack a member and were not shut down
// cleanly. What such an array computes from its parity is wrong where it was being
// written to, and nothing says where that is, so without this option it stays inactive.
//
// It also opens, for reading, devices of bcache whose cache may have newer data: they have
// the data as it was before.
func ForceDirty() Option {
	return func(c *config) { c.dirty = true }
}
