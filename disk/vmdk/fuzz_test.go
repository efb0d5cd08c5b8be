package vmdk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// small is a sparse image of small grains and tables, so that all of it is near.
func small() []byte {
	h := &sparseHeader{version: 2, flags: flagNewlines | flagRedundant | flagZeroGrain, capacity: 64, grain: 2, descriptor: 1, descSize: 1,
		entries: 128, redundant: 2, directory: 4, overhead: 6}
	b := make([]byte, 10*sectorSize)
	copy(b, h.marshal())
	copy(b[sectorSize:], newDescriptor(kindSparse, 64, noParent, ""))
	b[2*sectorSize], b[4*sectorSize] = 3, 5 // the tables
	for i, e := range []byte{6, 0, 1, 8} {
		b[3*sectorSize+4*i], b[5*sectorSize+4*i] = e, e
	}
	return b
}

// stream is a streamOptimized image.
func stream() []byte {
	m := newMemory(disk.CreateOptions{Size: 200 << 10, Kind: kindStream})
	d, err := Open(m, "image", nil)
	if err != nil {
		panic(err)
	}
	if _, err := d.WriteAt(bytes.Repeat([]byte("text"), 32<<10), 64<<10); err != nil {
		panic(err)
	}
	if err := d.Close(); err != nil {
		panic(err)
	}
	return m.Bytes()
}

// cowd is an extent of ESX.
func cowd() []byte {
	b := make([]byte, 60*sectorSize)
	copy(b, magicCOWD)
	for at, v := range map[int]uint32{4: 1, 8: 3, 12: 64, 16: 1, 20: 4, 24: 1, 28: 60, 4 * sectorSize: 10, 10 * sectorSize: 50, 10*sectorSize + 8: 51} {
		le.PutUint32(b[at:], v)
	}
	copy(b[50*sectorSize:], bytes.Repeat([]byte("cow!"), 256))
	return b
}

// sesparse is a seSparse extent.
func sesparse() []byte {
	b := make([]byte, 90*sectorSize)
	copy(b, magicSESparse)
	for i, v := range map[int]uint64{2: 64, 3: seGrain, 4: seTable, 10: 1, 16: 2, 17: 1, 18: 4, 24: 70} {
		le.PutUint64(b[8*i:], v)
	}
	le.PutUint64(b[sectorSize:], seVolatile)
	le.PutUint64(b[2*sectorSize:], 1<<60)
	for i, v := range []uint64{3 << 60, 0, 1 << 60, 2 << 60, 3<<60 | 1<<48} {
		le.PutUint64(b[4*sectorSize+8*i:], v)
	}
	copy(b[70*sectorSize:], bytes.Repeat([]byte("sesp"), 20*sectorSize/4))
	return b
}

func text(lines ...string) []byte {
	s := "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n"
	for _, l := range lines {
		s += l + "\n"
	}
	return []byte(s)
}

func seeds(add func(b, extent []byte)) {
	for _, b := range [][]byte{small(), stream(), cowd(), sesparse(), newMemory(disk.CreateOptions{Size: 1 << 20}).Bytes(),
		newMemory(disk.CreateOptions{Size: 1 << 20, Kind: kindStream}).Bytes()} {
		add(b, []byte{})
	}
	for _, extent := range [][]byte{small(), stream(), cowd(), sesparse(), make([]byte, 64<<10)} {
		add(text(`RW 64 SPARSE "a"`, "RW 10 ZERO", `RDONLY 20 FLAT "a" 10`, `RW 8 VMFS "a"`, `NOACCESS 8 FLAT "a" 0`), extent)
		add(bytes.Replace(text(`RW 64 SESPARSE "a"`), []byte("CID=ffffffff"), []byte("CID=12345678\nparentFileNameHint=\"p\""), 1), extent)
	}
}

// FuzzImage reads whatever an image is said to have, with the same extent for all that it
// names. It must end, in bounded memory, and reads and extents must agree.
func FuzzImage(f *testing.F) {
	seeds(func(b, extent []byte) { f.Add(b, extent) })
	f.Fuzz(fuzzImage)
}

func fuzzImage(t *testing.T, b, extent []byte) {
	refer := func(r disk.Reference) (disk.Device, error) {
		if r.Role == disk.BackingFile {
			return New(testdisk.ReadOnly(newMemory(disk.CreateOptions{Size: 1 << 16}).Bytes()), "p", Options{})
		}
		return testdisk.ReadOnly(extent), nil
	}
	size, refs, statErr := Stat(testdisk.New(b))
	m, err := New(testdisk.ReadOnly(b), "image", Options{Refer: refer, NoParent: len(b)%2 == 0})
	if err == nil {
		if statErr != nil || size != m.Size() || len(refs) > maxExtents+1 || !Match(append(b[:len(b):len(b)], make([]byte, 512)...), nil) {
			t.Errorf("%d bytes, not %d, %d references, %v", size, m.Size(), len(refs), statErr)
		}
		testdisk.Exercise(t, m)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if m.cache.Dirty() != 0 {
			t.Error("reading has changed something")
		}
	}
	checked := testdisk.New(b)
	Check(checked, "image", disk.RepairNothing)
	if !bytes.Equal(b, checked.Bytes()) {
		t.Error("Check has changed something")
	}
}

// FuzzWrite writes to whatever an image is said to be. It must end, and what was written is
// read, now and when the image is opened again, unless the tables are damaged so that
// grains are in the place of others.
func FuzzWrite(f *testing.F) {
	seeds(func(b, extent []byte) { f.Add(b, extent) })
	f.Fuzz(fuzzWrite)
}

func fuzzWrite(t *testing.T, b, extent []byte) {
	file := testdisk.New(b)
	files := []*testdisk.Disk{file}
	refer := func(r disk.Reference) (disk.Device, error) {
		if r.Role == disk.BackingFile {
			return New(testdisk.ReadOnly(newMemory(disk.CreateOptions{Size: 1 << 16}).Bytes()), "p", Options{})
		}
		files = append(files, testdisk.New(extent))
		files[len(files)-1].ReadOnly = !r.Writable
		return files[len(files)-1], nil
	}
	checked := testdisk.New(b)
	before, err := Check(checked, "image", disk.RepairNothing)
	sane := err == nil && before.Errors == 0
	m, err := New(file, "image", Options{Refer: refer, NoParent: len(b)%2 == 0})
	if err != nil {
		return
	}
	written := testdisk.Scribble(m, sectorSize)
	m.Flush()
	verify := func(d *Image, when string) {
		if sane && len(files) == 1 {
			written.Verify(t, d, when)
		}
	}
	verify(m, "written")
	if err := m.Close(); err != nil {
		return
	}
	if len(files) > 1 {
		return
	}
	again, err := New(testdisk.ReadOnly(file.Bytes()), "image", Options{Refer: refer, NoParent: len(b)%2 == 0})
	if err != nil {
		if sane {
			t.Error("it cannot be opened again: ", err)
		}
		return
	}
	verify(again, "opened again")
	again.Close()
	Check(file, "image", disk.RepairAll)
}

// Images of which some numbers were changed, in the places where they have numbers.
func TestMutated(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	values := []uint32{0, 1, 2, 3, 6, 8, 10, 64, 127, 128, 512, 4096, 1 << 20, 1 << 31, 1<<32 - 1, 1<<32 - 2, 0x10000000, 0x30000000}
	change := func(b []byte) []byte {
		b = bytes.Clone(b)
		for range 1 + r.IntN(3) {
			at := r.IntN(min(len(b)-4, []int{128, 12 * sectorSize, 44 * sectorSize}[r.IntN(3)]))
			if len(b) > 4096 || !isDescriptor(b) {
				le.PutUint32(b[at&^3:], values[r.IntN(len(values))])
			} else if at = bytes.IndexByte(b, "0168R=\n\""[r.IntN(7)]); at >= 0 {
				b[at] = "0123456789 \"\nZ"[r.IntN(14)]
			}
		}
		return b
	}
	seeds(func(b, extent []byte) {
		for range testimg.Count(t, 300) {
			switch {
			case len(extent) == 0 || r.IntN(3) == 0:
				fuzzImage(t, change(b), extent)
				fuzzWrite(t, change(b), extent)
			default:
				extent := change(extent)
				fuzzImage(t, b, extent)
				fuzzWrite(t, b, extent)
			}
			if t.Failed() {
				return
			}
		}
	})
}

// The images that are built here are what they are meant to be.
func TestSeeds(t *testing.T) {
	for i, c := range []struct {
		b, extent []byte
		want      string
	}{
		{small(), nil, "0+1024 data 0, 1024+1024 hole, 2048+1024 zero, 3072+1024 data, 4096+28672 hole"},
		{stream(), nil, "0+65536 hole, 65536+65536 compressed, 131072+65536 compressed, 196608+8192 hole"},
		{text(`RW 64 SPARSE "a"`), small(), "0+1024 data 0, 1024+1024 hole, 2048+1024 zero, 3072+1024 data, 4096+28672 hole"},
		{text(`RW 64 VMFSSPARSE "a"`), cowd(), "0+512 data 0, 512+512 hole, 1024+512 data, 1536+31232 hole"},
		{text(`RW 64 SESPARSE "a"`), sesparse(), "0+4096 data 0, 4096+4096 hole, 8192+8192 zero, 16384+4096 data, 20480+12288 hole"},
	} {
		refer := func(disk.Reference) (disk.Device, error) { return testdisk.ReadOnly(c.extent), nil }
		m, err := New(testdisk.ReadOnly(c.b), "image", Options{Refer: refer})
		if err != nil {
			t.Fatal(i, err)
		}
		got := ""
		for e, err := range m.Extents(0, m.Size()) {
			if err != nil {
				t.Fatal(err)
			}
			if got += fmt.Sprintf(", %d+%d %v", e.Start, e.Size, e.Kind); e.Start == 0 && e.Kind == disk.Data {
				got += " 0"
			}
		}
		if got != ", "+c.want {
			t.Errorf("%d: %s, want %s", i, got[2:], c.want)
		}
		testdisk.Exercise(t, m)
	}
}
