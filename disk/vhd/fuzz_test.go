package vhd

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// seeds are images of small blocks, of every kind.
func seeds() (list [][]byte) {
	s := newSparse(Dynamic, 10000, 4096, parentID)
	s.data(1, []byte{0xff}, make([]byte, 4096))
	list = append(list, s.bytes())
	d := newSparse(Differencing, 10240, 4096, childID)
	d.data(1, []byte{0x5a}, make([]byte, 4096))
	d.parent(parentID, "x.vhd", codeRelative, `.\x`, codeMac, "file://x")
	list = append(list, d.bytes())
	return append(list, append(make([]byte, 4096), testFooter(Fixed, 4096, "vpc ", parentID)...))
}

// target is what is fuzzed. Every differencing image has the first of the seeds for a parent.
var target = testdisk.Target{
	Open: func(d *testdisk.Disk) (disk.Device, error) {
		size, _, statErr := Stat(d)
		m, err := New(d, "image", func(disk.Reference) (disk.Device, error) {
			return New(testdisk.ReadOnly(seeds()[0]), "parent", nil)
		})
		if err != nil {
			return nil, err
		}
		if statErr != nil || size != m.Size() {
			panic("Stat and New do not agree")
		}
		return m, nil
	},
	Check: func(d *testdisk.Disk, r disk.Repair) (disk.CheckResult, error) { return Check(d, "image", r) },
	Unit:  sector,
}

// fuzzed returns an image whose checksums are right, by which a change would be found.
func fuzzed(b []byte) *testdisk.Disk {
	b = bytes.Clone(b)
	if len(b) > 1536 {
		sum(b[:512], checksumAt)
		sum(b[512:1536], headerChecksumAt)
	}
	return testdisk.New(b)
}

// FuzzImage reads whatever an image is said to have.
func FuzzImage(f *testing.F) {
	for _, b := range seeds() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { target.Read(t, fuzzed(b)) })
}

// FuzzWrite writes to whatever an image is said to be.
func FuzzWrite(f *testing.F) {
	for _, b := range seeds() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { target.Write(t, fuzzed(b)) })
}

// Images of which some numbers were changed, in the places where they have numbers.
func TestMutated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	values := []uint32{0, 1, 2, 3, 4, 8, 15, 16, 25, 512, 1024, 1536, 4096, 8192, 1 << 20, 1 << 31, unused, unused - 1}
	fields := []int{16, 20, 40, 44, 48, 52, 56, 60, 68, 512 + 16, 512 + 20, 512 + 28, 512 + 32, 512 + 40, 1536, 1540, 1544, 8192}
	for _, seed := range seeds() {
		for range testimg.Count(t, 300) {
			b := bytes.Clone(seed)
			for range 1 + r.IntN(3) {
				if at := fields[r.IntN(len(fields))]; at+4 <= len(b) {
					be.PutUint32(b[at:], values[r.IntN(len(values))])
				}
			}
			target.Read(t, fuzzed(b))
			if target.Write(t, fuzzed(b)); t.Failed() {
				t.Fatalf("%x", b[:2048])
			}
		}
	}
}
