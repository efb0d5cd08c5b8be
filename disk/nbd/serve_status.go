package nbd

import (
	"math"

	"github.com/unboot/unboot/disk"
)

// maxStates is how many extents an answer has. A client asks again for what follows.
const maxStates = 4096

// states answers a BLOCK_STATUS.
func states(d disk.Device, h *header) ([]byte, error) {
	off, n := int64(h.off), int64(h.length)
	x, ok := disk.As[disk.Extenter](d)
	if !ok {
		return appendState(nil, n, 0), nil
	}
	var b []byte
	var size int64 // of the extent that is not in b yet
	var state uint32
	count := 0
	for e, err := range x.Extents(off, n) {
		if err != nil {
			// What was found before is an answer, if not a whole one.
			if len(b) > 0 {
				return b, nil
			}
			return nil, err
		}
		s := stateOf(e.Kind)
		if size > 0 && s != state {
			b = appendState(b, size, state)
			size = 0
			if count++; count == maxStates || h.flags&cmdFlagOne != 0 {
				return b, nil
			}
		}
		size, state = size+e.Size, s
	}
	if size > 0 {
		b = appendState(b, size, state)
	}
	if len(b) == 0 {
		b = appendState(nil, n, 0)
	}
	return b, nil
}

func appendState(b []byte, size int64, state uint32) []byte {
	return be.AppendUint32(be.AppendUint32(b, uint32(min(size, math.MaxUint32))), state)
}

func stateOf(k disk.ExtentKind) uint32 {
	switch k {
	case disk.Hole:
		return stateHole | stateZero
	case disk.Zero:
		return stateZero
	}
	return 0
}
