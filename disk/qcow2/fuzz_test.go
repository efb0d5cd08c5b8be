package qcow2

import (
	"bytes"
	"io"
	"testing"

	"github.com/unboot/unboot/disk"
)

// FuzzImage reads whatever an image is said to have. It must end, in bounded memory,
// and reads and extents must agree with each other.
func FuzzImage(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) {
		base := func(disk.Reference) (disk.Device, error) { return memory(bytes.Repeat([]byte{0x55}, 5000)), nil }
		EmptyOverlay(memory(data))
		size, refs, statErr := Stat(memory(data))
		m, err := New(memory(data), "image", Options{Refer: base})
		if err != nil {
			return
		}
		if statErr != nil || size != m.Size() || len(refs) > 2 || !Match(data[:8], nil) {
			t.Errorf("%d bytes, %v, %v", size, refs, statErr)
		}
		for _, off := range []int64{0, m.Size() / 2, m.Size() - 100} {
			exercise(t, m, off)
		}
		list, _ := m.Snapshots()
		for _, s := range list[:min(len(list), 4)] {
			if old, err := New(memory(data), "image", Options{Refer: base, Snapshot: s.ID}); err == nil {
				exercise(t, old, 0)
				exercise(t, old, old.Size()/2)
				old.Close()
			}
		}
		if used := m.caches.tables.used; used > tableCache {
			t.Errorf("%d bytes of tables", used)
		}
		if used := m.caches.clusters.used; used > clusterCache {
			t.Errorf("%d bytes of clusters", used)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if m.caches.tables.used != 0 || m.caches.clusters.used != 0 || m.caches.tables.lru.Len() != 0 {
			t.Error("caches have something of a closed image")
		}
	})
}

// seeds has add called with small images of many kinds.
func seeds(t testing.TB, f func([]byte)) {
	add := func(change func(b *builder)) {
		b := newImage(20)
		change(b)
		f(b.b)
	}
	fill := func(b *builder) {
		b.data(0, 'a')
		b.data(3, 'b')
		b.entry(4, entryZero)
		b.compressed(t, 7, bytes.Repeat([]byte("text"), 128))
	}
	add(fill)
	add(func(b *builder) { b.useZstd(); fill(b) })
	add(func(b *builder) { fill(b); b.backing("base", "raw") })
	add(func(b *builder) {
		b.b[79] |= featureExternalData
		b.data(1, 'a')
		b.extension(104, extensionDataFile, "data")
	})
	add(func(b *builder) { // subclusters
		b.b[79] |= featureExtendedL2
		b.b[23] = 14
		b.put(40, 1<<14)
		b.b = append(b.b[:512], make([]byte, 4<<14-512)...)
		b.put(1<<14, 2<<14)
		b.put(2<<14, 3<<14)
		b.put(2<<14+8, 0x0ff00000_000f0011)
	})
	add(func(b *builder) { fill(b); b.snapshot("s") })
}

// exercise reads some extents from off on.
func exercise(t *testing.T, m *Image, off int64) {
	if off < 0 {
		return
	}
	end := off
	n := 0
	for e, err := range m.Extents(off, m.Size()) {
		if err != nil {
			return
		}
		if e.Start != end || e.Size <= 0 || e.Start+e.Size > m.Size() {
			t.Fatalf("%+v follows %d", e, end)
		}
		end += e.Size
		p := bytes.Repeat([]byte{0xaa}, int(min(e.Size, 10000)))
		got, err := m.ReadAt(p, e.Start)
		if err == nil && got != len(p) || err == io.EOF {
			t.Fatalf("read %d bytes at %d: %d, %v", len(p), e.Start, got, err)
		}
		if (e.Kind == disk.Hole || e.Kind == disk.Zero) && (err != nil || !bytes.Equal(p, make([]byte, len(p)))) {
			t.Fatalf("%+v is not zeros: %v", e, err)
		}
		if n++; n == 30 {
			return
		}
	}
}
