package probe

// probeXFSLog recognizes the journal of an XFS on a device of its own: the first record
// is somewhere in the first 256 KiB, and names the file system.
func probeXFSLog(s *source) *Info {
	const area = 256 << 10
	b := s.at(0, area)
	for off := 0; off < len(b); off += 512 {
		if b.has(off, "XFSB") {
			return nil
		}
		version, format := b.be32(off+8), b.be32(off+300)
		if b.be32(off) != 0xfeedbabe || version == 0 || version > 3 || int32(b.be32(off+12)) <= 0 || format == 0 || format > 3 {
			continue
		}
		return &Info{Type: "xfs_external_log", JournalOf: uuid(b.sub(off+304, 16))}
	}
	return nil
}
