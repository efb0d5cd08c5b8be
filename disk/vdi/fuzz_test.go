package vdi

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
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
	h, err := ReadHeader(&memory{b: small(nil)})
	if err != nil {
		t.Fatal(err)
	}
	add(small(h))
	extra := small(nil)
	le.PutUint32(extra[380:], 512)
	add(append(extra, make([]byte, 1024)...))
	m := &memory{}
	if err := Create(m, "image", disk.CreateOptions{Size: 3 << 20}); err != nil {
		t.Fatal(err)
	}
	add(m.b[:2048])
}

// parent is the parent of all images.
func parent(disk.Reference) (disk.Device, error) {
	return New(&memory{b: small(nil), readOnly: true}, "parent", Options{})
}

// FuzzImage reads whatever an image is said to have. It must end, in bounded memory, and
// reads and extents must agree.
func FuzzImage(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(fuzzImage)
}

func fuzzImage(t *testing.T, b []byte) {
	size, refs, statErr := Stat(&memory{b: b})
	m, err := New(&memory{b: b, readOnly: true}, "image", Options{Refer: parent})
	if err == nil {
		if statErr != nil || size != m.Size() || len(refs) > 1 || !Match(b, nil) {
			t.Errorf("%d bytes, %v, %v", size, refs, statErr)
		}
		for _, off := range []int64{0, m.Size() / 2, m.Size() - 700} {
			exercise(t, m, off)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	checked := &memory{b: bytes.Clone(b)}
	Check(checked, "image", disk.RepairNothing)
	if !bytes.Equal(b, checked.b) {
		t.Error("Check has changed something")
	}
}

// exercise reads some extents from off on.
func exercise(t *testing.T, d *Image, off int64) {
	if off < 0 {
		return
	}
	end, n := off, 0
	for e, err := range d.Extents(off, d.Size()) {
		if err != nil {
			return
		}
		if e.Start != end || e.Size <= 0 || e.Start+e.Size > d.Size() {
			t.Fatalf("%+v follows %d", e, end)
		}
		end += e.Size
		p := bytes.Repeat([]byte{0xaa}, int(min(e.Size, 10000)))
		got, err := d.ReadAt(p, e.Start)
		if err == nil && got != len(p) || err == io.EOF {
			t.Fatalf("read %d bytes at %d: %d, %v", len(p), e.Start, got, err)
		}
		if (e.Kind == disk.Hole || e.Kind == disk.Zero) && (err != nil || len(bytes.Trim(p, "\x00")) > 0) {
			t.Fatalf("%+v is not zeros: %v", e, err)
		}
		if n++; n == 30 {
			return
		}
	}
}

// FuzzWrite writes to whatever an image is said to be. What was written is read, now and
// when the image is opened again: one with two blocks in a place is not opened.
func FuzzWrite(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(fuzzWrite)
}

func fuzzWrite(t *testing.T, b []byte) {
	file := &memory{b: bytes.Clone(b)}
	m, err := New(file, "image", Options{Refer: parent})
	if err != nil {
		return
	}
	written := map[int64][]byte{}
	for i, off := range []int64{0, 1024, 512, m.Size() / 2 &^ 511, m.Size() - 512} {
		p := bytes.Repeat([]byte{byte(0x80 + i)}, 512)
		if n, err := m.WriteAt(p, off); err == nil && n == len(p) {
			written[off] = p
		}
		if i != 2 {
			continue
		}
		delete(written, off) // by an error, some of it may be done
		if m.WriteZeroes(off, 1024) == nil {
			written[off], written[off+512] = make([]byte, 512), make([]byte, 512)
		}
	}
	verify := func(d *Image, when string) {
		p := make([]byte, 512)
		for off, want := range written {
			if _, err := d.ReadAt(p, off); err != nil || !bytes.Equal(p, want) {
				t.Errorf("%s: at %d: %x, not %x, %v; %+v", when, off, p[:8], want[:8], err, d.h)
			}
		}
	}
	if err := m.Flush(); err != nil {
		t.Error(err)
	}
	verify(m, "written")
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	again, err := New(&memory{b: file.b, readOnly: true}, "image", Options{Refer: parent})
	if err != nil {
		t.Fatal("it cannot be opened again: ", err)
	}
	verify(again, "opened again")
	before, err := Check(file, "image", disk.RepairAll)
	if err != nil && before.Errors == 0 {
		t.Error(err)
	}
	if before.Errors == before.ErrorsFixed && err == nil {
		if after, err := Check(file, "image", disk.RepairNothing); err != nil || after.Errors+after.Leaks > 0 {
			t.Errorf("repaired %+v, and then %+v, %v", before, after, err)
		}
		if again, err = New(&memory{b: file.b, readOnly: true}, "image", Options{Refer: parent}); err != nil {
			t.Fatal("it cannot be opened after it was repaired: ", err)
		}
		verify(again, "repaired")
	}
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
			fuzzImage(t, b)
			fuzzWrite(t, b)
			if t.Failed() {
				return
			}
		}
	})
}
