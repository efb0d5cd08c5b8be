package part

import "io"

// DetectSectorSize returns the size of sectors that a disk's GPT is made for: 512
// or 4096, by where its header is. For disks without a GPT, which say nothing
// about it, it is 512.
func DetectSectorSize(r io.ReaderAt, size int64) int {
	d := &disk{r: r, size: size}
	if d.readHead() != nil {
		return 512
	}
	sectorSize, _ := d.detect()
	return sectorSize
}

// detect returns the sector size, and whether it comes from a GPT header. Nothing else on
// an image says which size its sectors have: a file has none.
func (d *disk) detect() (sectorSize int, found bool) {
	signed := func(off int64) bool {
		b, err := d.read(off, 512)
		return err == nil && string(b[:8]) == gptSignature
	}
	var candidates []int
	for _, s := range []int{512, 4096} {
		if signed(int64(s)) {
			candidates = append(candidates, s)
		}
	}
	if len(candidates) == 0 {
		// The backup, at the end.
		for _, s := range []int{512, 4096} {
			if signed(d.size/int64(s)*int64(s) - int64(s)) {
				candidates = append(candidates, s)
			}
		}
	}
	if len(candidates) == 0 {
		return 512, false
	}
	// Of two headers, one is left from an earlier use of the disk. The one whose checksum
	// is right and which lies where it says it does is the current one.
	for _, s := range candidates {
		at := &disk{r: d.r, size: d.size, head: d.head, sector: int64(s)}
		if _, _, err := at.gptAt(1); err == nil {
			return s, true
		}
	}
	return candidates[0], true
}
