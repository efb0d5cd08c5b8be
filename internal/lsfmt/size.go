package lsfmt

import "strconv"

// Size returns a size in bytes as ls -h and df -h write it: rounded up, with one digit after
// the point below 10, as "1.5G".
func Size(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10)
	}
	unit := uint64(1)
	i := -1
	for n/unit >= 1024 && i < 5 {
		unit <<= 10
		i++
	}
	tenths := n / unit * 10
	tenths += (n%unit*10 + unit - 1) / unit
	if tenths < 100 {
		return strconv.FormatUint(tenths/10, 10) + "." + strconv.FormatUint(tenths%10, 10) + "KMGTPE"[i:i+1]
	}
	whole := n / unit
	if n%unit != 0 {
		whole++
	}
	if whole == 1024 && i < 5 {
		return "1.0" + "KMGTPE"[i+1:i+2]
	}
	return strconv.FormatUint(whole, 10) + "KMGTPE"[i:i+1]
}
