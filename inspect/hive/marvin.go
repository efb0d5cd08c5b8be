package hive

import "math/bits"

// marvinSeed is what Windows hashes the entries of a transaction log with.
const marvinSeed = 14219357686671994754

// marvin32 is Microsoft's checksum of that name, of 64 bits.
func marvin32(seed uint64, data []byte) uint64 {
	lo, hi := uint32(seed), uint32(seed>>32)
	mix := func() {
		hi ^= lo
		lo = bits.RotateLeft32(lo, 20) + hi
		hi = bits.RotateLeft32(hi, 9) ^ lo
		lo = bits.RotateLeft32(lo, 27) + hi
		hi = bits.RotateLeft32(hi, 19)
	}
	for ; len(data) >= 4; data = data[4:] {
		lo += le.Uint32(data)
		mix()
	}
	var last [4]byte
	last[copy(last[:], data)] = 0x80
	lo += le.Uint32(last[:])
	mix()
	mix()
	return uint64(hi)<<32 | uint64(lo)
}
