package vdi

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// small is an image of small blocks, with a parent if that is not nil.
func small(parent *Header) []byte {
	h := Header{Type: typeDynamic, Size: 5 * 512, BlockSize: 512, Blocks: 5, Allocated: 2, Create: UUID{1}, Modify: UUID{2}, mapAt: 512, dataAt: 1024}
	if parent != nil {
		h.Type, h.Parent, h.ParentModify = typeDiff, parent.Create, parent.Modify
	}
	b := make([]byte, 4*512)
	copy(b, h.marshal())
	for i, e := range []uint32{1, entryNone, entryZero, 0, entryNone} {
		le.PutUint32(b[512+4*i:], e)
	}
	copy(b[1024:], bytes.Repeat([]byte("data"), 256))
	return b
}

func seeds(t testing.TB, add func(b []byte)) {
	add(small(nil))
	h, err := ReadHeader(testdisk.New(small(nil)))
	if err != nil {
		t.Fatal(err)
	}
	add(small(h))
	extra := small(nil)
	le.PutUint32(extra[380:], 512)
	add(append(extra, make([]byte, 1024)...))
	m := testdisk.New(nil)
	if err := Create(m, "image", disk.CreateOptions{Size: 3 << 20}); err != nil {
		t.Fatal(err)
	}
	add(m.Bytes()[:2048])
}

// target is what is fuzzed. The parent of all images is one of them.
var target = testdisk.Target{
	Open: func(d *testdisk.Disk) (disk.Device, error) {
		size, refs, statErr := Stat(d)
		m, err := New(d, "image", Options{Refer: parent})
		if err != nil {
			return nil, err
		}
		if statErr != nil || size != m.Size() || len(refs) > 1 {
			panic("Stat and New do not agree")
		}
		return m, nil
	},
	Check: func(d *testdisk.Disk, r disk.Repair) (disk.CheckResult, error) { return Check(d, "image", r) },
	Unit:  sectorSize, Strict: true,
}

func parent(disk.Reference) (disk.Device, error) {
	return New(testdisk.ReadOnly(small(nil)), "parent", Options{})
}

// FuzzImage reads whatever an image is said to have. It must end, in bounded memory, and
// reads and extents must agree.
func FuzzImage(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) { target.Read(t, testdisk.New(b)) })
}

// FuzzWrite writes to whatever an image is said to be. What was written is read, now and
// when the image is opened again: one with two blocks in a place is not opened.
func FuzzWrite(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) { target.Write(t, testdisk.New(b)) })
}

// Images of which some numbers were changed, in the places where they have numbers.
func TestMutated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	values := []uint32{0, 1, 2, 3, 4, 5, 6, 512, 1024, 1536, 4096, 1 << 20, 1 << 31, entryNone, entryZero}
	fields := []int{68, 72, 76, 340, 344, 368, 372, 376, 380, 384, 388, 392, 424, 440, 512, 516, 520, 524, 528}
	seeds(t, func(b []byte) {
		for range testimg.Count(t, 300) {
			b := bytes.Clone(b)
			for range 1 + r.IntN(3) {
				le.PutUint32(b[fields[r.IntN(len(fields))]:], values[r.IntN(len(values))])
			}
			target.Read(t, testdisk.New(b))
			target.Write(t, testdisk.New(b))
			if t.Failed() {
				return
			}
		}
	})
}
