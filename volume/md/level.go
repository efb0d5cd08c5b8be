package md

import (
	"fmt"
	"math"
)

// LevelName is how mdadm(8) and /proc/mdstat call a level: "raid1", "linear".
func LevelName(level int) string {
	switch level {
	case Linear:
		return "linear"
	case Multipath:
		return "multipath"
	case Faulty:
		return "faulty"
	case 0, 1, 4, 5, 6, 10:
		return fmt.Sprintf("raid%d", level)
	}
	return fmt.Sprintf("level %d", level)
}

// parity are the names of how RAID5 and RAID6 place their parity. RAID6 has the ones of
// RAID5 with the second parity next to the first, or on the last device ("-6").
var parity = map[int]string{
	0: "left-asymmetric", 1: "right-asymmetric", 2: "left-symmetric", 3: "right-symmetric",
	4: "parity-first", 5: "parity-last",
	8: "ddf-zero-restart", 9: "ddf-N-restart", 10: "ddf-N-continue",
	16: "left-asymmetric-6", 17: "right-asymmetric-6", 18: "left-symmetric-6", 19: "right-symmetric-6",
	20: "parity-first-6",
}

// LayoutName is how mdadm(8) calls the layout of a level, or "" if the level has only one.
func LayoutName(level, layout int) string {
	switch level {
	case 0:
		return map[int]string{1: "original", 2: "alternate"}[layout]
	case 5, 6:
		if name := parity[layout]; name != "" && (level == 6 || layout <= 5) {
			return name
		}
	case 10:
		near, far := layout&255, layout>>8&255
		switch {
		case near == 1 && far == 1:
			return "no redundancy"
		case near > 1 && far > 1:
			return fmt.Sprintf("near=%d, far=%d", near, far)
		case layout>>16&1 != 0:
			return fmt.Sprintf("offset=%d", far)
		case far > 1:
			return fmt.Sprintf("far=%d", far)
		}
		return fmt.Sprintf("near=%d", near)
	default:
		return ""
	}
	return fmt.Sprintf("layout %d", layout)
}

// checkShape reports what is impossible in an array's shape.
func checkShape(level, layout, disks int, chunk int64) error {
	power := chunk > 0 && chunk&(chunk-1) == 0
	least := map[int]int{4: 2, 5: 2, 6: 4}[level]
	switch level {
	case Linear, 1:
	case 0:
		// A chunk of RAID0 need not be a power of two.
		if chunk < 512 || chunk%512 != 0 {
			return fmt.Errorf("a chunk of %d bytes is not possible", chunk)
		}
	case 4, 5, 6, 10:
		if !power || chunk < 4096 {
			return fmt.Errorf("a chunk of %d bytes is not possible", chunk)
		}
		if disks < least {
			return fmt.Errorf("%d devices are too few for %s", disks, LevelName(level))
		}
	default:
		return fmt.Errorf("%s cannot be opened", LevelName(level))
	}
	if (level == 5 || level == 6) && (parity[layout] == "" || level == 5 && layout > 5) {
		return fmt.Errorf("the layout %d of %s is not known", layout, LevelName(level))
	}
	if near, far := layout&255, layout>>8&255; level == 10 && (near == 0 || far == 0 || near*far > disks) {
		return fmt.Errorf("the layout 0x%x of %s is not possible with %d devices", layout, LevelName(level), disks)
	}
	return nil
}

// enough reports whether the places that are filled have all the data.
func enough(level, layout int, filled []bool) bool {
	missing, disks := 0, len(filled)
	for _, ok := range filled {
		if !ok {
			missing++
		}
	}
	switch level {
	case 1:
		return missing < disks
	case 4, 5:
		return missing <= 1
	case 6:
		return missing <= 2
	case 10:
		return enough10(layout, filled)
	}
	return missing == 0
}

// enough10 reports whether each group of places that hold copies of the same data has one
// that is filled. The groups begin at multiples of the near copies.
func enough10(layout int, filled []bool) bool {
	near := layout & 255
	copies := near * (layout >> 8 & 255)
	for first, tried := 0, 0; tried < len(filled); tried++ {
		found := false
		for i := range copies {
			found = found || filled[(first+i)%len(filled)]
		}
		if !found {
			return false
		}
		if first = (first + near) % len(filled); first == 0 {
			break
		}
	}
	return true
}

// capacity is the size of an array in bytes: size is what each member gives, and given what
// those of levels give whose members differ.
func capacity(level, layout, disks int, chunk, size int64, given []int64) int64 {
	whole := func(n int64) int64 {
		if chunk > 0 {
			n -= n % chunk
		}
		return n
	}
	size = min(size, math.MaxInt64/int64(disks)) // a hostile one; no device has it
	switch level {
	case Linear, 0:
		var sum int64
		for _, n := range given {
			sum += min(whole(n), math.MaxInt64-sum)
		}
		return sum
	case 1:
		return size
	case 4, 5:
		return whole(size) * int64(disks-1)
	case 6:
		return whole(size) * int64(disks-2)
	case 10:
		near, far := int64(layout&255), int64(layout>>8&255)
		return size / chunk / far * int64(disks) / near * chunk
	}
	return 0
}
