package dmg

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/unboot/unboot/disk"
)

// Check reads all of the disk, and compares it with the checksums that the image has of it.
// It repairs nothing.
func Check(d disk.Device, path string, _ disk.Repair) (r disk.CheckResult, err error) {
	m, err := New(d, path)
	if err != nil {
		return r, err
	}
	problem := func(format string, args ...any) {
		if r.Errors++; len(r.Problems) < disk.MaxProblems {
			r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
		}
	}
	master := crc32.NewIEEE()
	b := make([]byte, 1<<20)
	for i, t := range m.tables {
		sum := crc32.NewIEEE()
		var err error
		for _, x := range t.runs {
			if x.kind == runIgnored { // which is what distinguishes it from zeros
				continue
			}
			if _, err = io.CopyBuffer(sum, io.NewSectionReader(m, x.start, x.size), b); err != nil {
				break
			}
		}
		switch got := sum.Sum32(); {
		case err != nil:
			problem("table %d: %v", i, err)
		case t.checksum.kind == checksumCRC32 && got != t.checksum.crc:
			problem("the part of the disk from %d to %d has the CRC-32 %08x, not %08x", t.start, t.start+t.size, got, t.checksum.crc)
		}
		binary.Write(master, be, sum.Sum32())
	}
	if k := m.koly.checksum; r.Errors == 0 && k.kind == checksumCRC32 && master.Sum32() != k.crc {
		problem("the checksums of all parts have the CRC-32 %08x, not %08x", master.Sum32(), k.crc)
	}
	return r, nil
}
