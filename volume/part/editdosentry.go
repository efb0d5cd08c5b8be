package part

// rawEntry is an entry of an MBR, or of a sector of an extended partition.
type rawEntry [16]byte

func (r *rawEntry) decode() mbrEntry {
	return mbrEntry{r[0], r[4], le.Uint32(r[8:]), le.Uint32(r[12:])}
}

// put sets the place, where base is what start is relative to. An entry that has not
// moved keeps its cylinders, heads and sectors as they are, since some boot loaders still
// go by them.
func (r *rawEntry) put(where span, base uint64) {
	start, length := uint32(where.first-base), uint32(where.end-where.first)
	if le.Uint32(r[8:]) == start && le.Uint32(r[12:]) == length {
		return
	}
	le.PutUint32(r[8:], start)
	le.PutUint32(r[12:], length)
	putCHS(r[1:4], where.first)
	putCHS(r[5:8], where.end-1)
}

// putCHS encodes a sector for a disk of 255 heads and 63 sectors a track, the geometry
// that all tools assume. A place past the 1024th cylinder gets the largest value, as
// fdisk(8) writes it.
func putCHS(b []byte, lba uint64) {
	cylinder, head, sector := lba/(255*63), lba/63%255, lba%63+1
	if cylinder > 1023 {
		copy(b, []byte{0xfe, 0xff, 0xff})
		return
	}
	b[0], b[1], b[2] = byte(head), byte(sector)|byte(cylinder>>8<<6), byte(cylinder)
}
