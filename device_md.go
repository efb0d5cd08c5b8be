package unboot

// ForceDirty starts arrays of Linux software RAID that lack a member and were not shut down
// cleanly. What such an array computes from its parity is wrong where it was being
// written to, and nothing says where that is, so without this option it stays inactive.
func ForceDirty() Option {
	return func(c *config) { c.dirty = true }
}
