package vhdx

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// fuzzParent is the parent of all images.
func fuzzParent() *builder {
	b := newImage(3*mib, mib, 512, nil)
	b.data(1, statePresent, bytes.Repeat([]byte{'p'}, mib))
	return b
}

// target is what is fuzzed.
var target = testdisk.Target{
	Open: func(d *testdisk.Disk) (disk.Device, error) {
		size, _, statErr := Stat(d)
		m, err := New(d, "image", func(disk.Reference) (disk.Device, error) { return New(fuzzParent().Disk, "parent", nil) })
		if err != nil {
			return nil, err
		}
		if statErr != nil || size != m.Size() {
			panic("Stat and New do not agree")
		}
		return m, nil
	},
	Check: func(d *testdisk.Disk, r disk.Repair) (disk.CheckResult, error) { return Check(d, "image", r) },
	Unit:  4096, Strict: true,
}

// fuzzed returns an image of which pieces are changed: an offset in units of 8 bytes, and 8
// bytes for there. Checksums are made right.
func fuzzed(changes []byte, child, log bool) *testdisk.Disk {
	b := fuzzParent()
	if child {
		b = newImage(3*mib, mib, 512, map[string]string{keyLinkage: parentWrite.String(), keyRelative: "x"})
		b.data(2, statePartial, bytes.Repeat([]byte{'c'}, mib))
		b.bitmap(2, bytes.Repeat([]byte{0x5a}, 4096))
	}
	e := logEntry(3, logID, 0, testBlocks, testBlocks, testBAT, sectorOf(b, stateZero), testBAT+4096, 4096)
	if log {
		b.headers(3, logID)
		b.put(testLog, e)
	}
	for c := changes; len(c) >= 12; c = c[12:] {
		b.put(int64(le.Uint32(c)%(8*mib/8))*8, c[4:12])
	}
	b.both(func([]byte) {})
	b.regions(func([]byte) {})
	b.rewrite(testLog, int64(len(e)), func([]byte) {})
	return b.Disk
}

func addSeeds(f *testing.F) {
	f.Add([]byte{}, false, false)
	f.Add([]byte{0, 6, 0, 0, 6, 0, 0x40, 0, 0, 0, 0, 0}, true, false)
	f.Add([]byte{0, 0, 6, 0, 6, 0, 0x40, 0, 0, 0, 0, 0}, false, false)
	f.Add(append([]byte{0, 0, 2, 0}, "loge\x00\x00\x00\x00"...), true, true)
}

// FuzzImage reads whatever an image is said to have.
func FuzzImage(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, changes []byte, child, log bool) { target.Read(t, fuzzed(changes, child, log)) })
}

// FuzzWrite writes to whatever an image is said to be.
func FuzzWrite(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, changes []byte, child, log bool) { target.Write(t, fuzzed(changes, child, log)) })
}

// Images of which some numbers were changed, in the places where they have numbers.
func TestMutated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	values := []uint64{0, 1, 6, 7, mib, mib | 6, 2*mib | 6, 3 * mib, testBAT | 6, testBlocks | 6, testBlocks | 7, (testBlocks + mib) | 6, (testBlocks + mib) | 7, 5, 3,
		1 << 31, 1 << 40, 1<<47 | 6, 1<<63 | 6, 1<<64 - 1, 512, 4096, 256 * mib, 2, 8192}
	places := []int64{headerAt2 + 8, headerAt2 + 48, headerAt2 + 64, headerAt2 + 72, regionsAt1 + 32, regionsAt1 + 40, regionsAt1 + 64, regionsAt1 + 72,
		testMetadata + 48, testMetadata + 80, testMetadata + 88, testMetadata + metadataTable, testMetadata + metadataTable + 8, testMetadata + metadataTable + 32,
		testBAT, testBAT + 8, testBAT + 16, testBAT + 8*8192, testLog + 8, testLog + 16, testLog + 24, testLog + 48, testLog + 56, testLog + 64, testLog + 72, testLog + 80, testLog + 88}
	for range testimg.Count(t, 60) {
		var changes []byte
		for range 1 + r.IntN(3) {
			changes = le.AppendUint32(changes, uint32(places[r.IntN(len(places))]/8))
			changes = le.AppendUint64(changes, values[r.IntN(len(values))])
		}
		child, log := r.IntN(2) == 0, r.IntN(2) == 0
		target.Read(t, fuzzed(changes, child, log))
		if target.Write(t, fuzzed(changes, child, log)); t.Failed() {
			t.Fatalf("%x, %v, %v", changes, child, log)
		}
	}
}
