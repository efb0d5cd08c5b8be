package qcow2

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// Every kind of cluster, without QEMU.
func TestClusters(t *testing.T) {
	for _, kind := range []string{"zlib", "zstd"} {
		t.Run(kind, func(t *testing.T) {
			b := newImage(7)
			if kind == "zstd" {
				b.useZstd()
			}
			text := bytes.Repeat([]byte("some text "), 52)[:512]
			b.data(0, 'a')
			b.data(1, 'b')
			b.entry(2, entryZero)
			b.compressed(t, 3, text)
			b.entry(5, entryZero|testL2) // zeros, and a place is kept for data
			b.data(6, 'c')
			m, err := New(memory(b.b), "image", Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Concat(bytes.Repeat([]byte("a"), 512), bytes.Repeat([]byte("b"), 512), make([]byte, 512), text,
				make([]byte, 1024), bytes.Repeat([]byte("c"), 512))
			compareReads(t, m, want)
			var got []disk.Extent
			for e, err := range m.Extents(100, 1<<40) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e)
			}
			if exp := []disk.Extent{
				{Start: 100, Size: 924, Kind: disk.Data, Offset: 1536 + 100},
				{Start: 1024, Size: 512, Kind: disk.Zero},
				{Start: 1536, Size: 512, Kind: disk.Compressed},
				{Start: 2048, Size: 512, Kind: disk.Hole},
				{Start: 2560, Size: 512, Kind: disk.Zero},
				{Start: 3072, Size: 512, Kind: disk.Data, Offset: int64(len(b.b)) - 512},
			}; !slices.Equal(got, exp) {
				t.Errorf("got  %v\nwant %v", got, exp)
			}
			for range m.Extents(-1, 10) {
				t.Error("an extent at -1")
			}
			for range m.Extents(1<<40, 10) {
				t.Error("an extent past the end")
			}
			if _, err := m.ReadAt(make([]byte, 1), -1); err == nil {
				t.Error("reads at -1")
			}
			if _, err := m.WriteAt(make([]byte, 512), 0); !errors.Is(err, syscall.EROFS) {
				t.Errorf("write: %v", err)
			}
		})
	}
}

// A table entry that cannot be is an error when it is read, and names the image. The rest is read.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(b *builder)
		want   string
	}{
		{"L2 table past the end", func(b *builder) { b.put(testL1, 1<<40) }, "the L2 table for 512 lies past the end"},
		{"L2 table cut", func(b *builder) { b.put(testL1, uint64(len(b.b))); b.b = append(b.b, 0, 0, 0, 0, 0, 0, 0, 0, 1) }, "lies past the end"},
		{"cluster past the end", func(b *builder) { b.entry(1, 1<<40) }, "was it truncated?"},
		{"cluster at the end", func(b *builder) { b.entry(1, uint64(len(b.b))) }, "was it truncated?"},
		{"compressed past the end", func(b *builder) { b.entry(1, entryCompressed|1<<40) }, "past the end of the file"},
		{"not compressed", func(b *builder) { b.data(2, 0xff); b.entry(1, entryCompressed|uint64(len(b.b)-512)) }, "does not decompress"},
		{"too little", func(b *builder) { b.compressed(t, 1, make([]byte, 500)) }, "it has 500 bytes, not 512"},
		{"zero cluster in version 2", func(b *builder) { b.entry(1, entryZero); b.b[7] = 2 }, "image of version 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newImage(3)
			c.change(b)
			m, err := New(memory(b.b), "/tmp/image", Options{})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time, caches may have it
				p := make([]byte, 512)
				n, err := m.ReadAt(p, 512)
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) || n != 0 {
					t.Errorf("%d, %v", n, err)
				}
				if pe, ok := errors.AsType[*fs.PathError](err); !ok || pe.Path != "/tmp/image" {
					t.Errorf("%#v", err)
				}
				if n, err := m.ReadAt(make([]byte, 10), 600); !errors.Is(err, ErrDamaged) || n != 0 {
					t.Errorf("a part: %d, %v", n, err)
				}
			}
			for _, err := range m.Extents(0, 1536) {
				// Data that is not there or does not decompress is data all the same.
				if err != nil && !errors.Is(err, ErrDamaged) {
					t.Error(err)
				}
			}
			if strings.HasPrefix(c.name, "L2") {
				return
			}
			if n, err := m.ReadAt(make([]byte, 512), 0); n != 512 || err != nil {
				t.Errorf("another cluster: %d, %v", n, err)
			}
		})
	}
}

// The last cluster of the file may be a part of one.
func TestShortFile(t *testing.T) {
	b := newImage(2)
	b.data(0, 'a')
	b.data(1, 'b')
	m, err := New(memory(b.b[:len(b.b)-100]), "image", Options{})
	if err != nil {
		t.Fatal(err)
	}
	compareReads(t, m, slices.Concat(bytes.Repeat([]byte("a"), 512), bytes.Repeat([]byte("b"), 412), make([]byte, 100)))
}

// Nothing that a header names is opened but by what the caller gives.
func TestNotAllowed(t *testing.T) {
	b := newImage(2)
	b.backing("/etc/shadow", "raw")
	_, err := New(memory(b.b), "/images/a", Options{})
	e, ok := errors.AsType[*disk.NotAllowedError](err)
	if !ok || !errors.Is(err, disk.ErrNotAllowed) || !strings.Contains(err.Error(), `"/etc/shadow"`) {
		t.Fatal(err)
	}
	want := disk.Reference{Role: "backing file", Image: "/images/a", Name: "/etc/shadow", Format: "raw"}
	if e.Reference != want {
		t.Errorf("%+v", e.Reference)
	}
	nothing := func(disk.Reference) (disk.Device, error) { return nil, nil }
	if _, err := New(memory(b.b), "/images/a", Options{Refer: nothing}); !errors.Is(err, disk.ErrNotAllowed) {
		t.Error(err)
	}
	refused := errors.New("refused")
	var asked disk.Reference
	_, err = New(memory(b.b), "/images/a", Options{Refer: func(r disk.Reference) (disk.Device, error) { asked = r; return nil, refused }})
	if !errors.Is(err, refused) || asked != want {
		t.Error(err, asked)
	}
	if m, err := New(memory(b.b), "/images/a", Options{NoBacking: true}); err != nil || m.Backing() != nil {
		t.Error(err)
	}

	d, err := Open(memory(b.b), "/images/a", func(r disk.Reference) (disk.Device, error) {
		return memory(bytes.Repeat([]byte{7}, 700)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	compareReads(t, d.(*Image), append(bytes.Repeat([]byte{7}, 700), make([]byte, 324)...))

	b = newImage(1)
	b.b[79] |= featureExternalData
	b.extension(104, extensionDataFile, "/etc/shadow")
	if _, err := Open(memory(b.b), "/images/a", nil); !errors.Is(err, disk.ErrNotAllowed) ||
		!strings.Contains(err.Error(), `data file "/etc/shadow"`) {
		t.Error(err)
	}
}

// The statements of an image about itself, whether it can be read or not.
func TestStat(t *testing.T) {
	b := newImage(2)
	b.backing("base", "raw")
	b.b[35] = 2 // encrypted
	size, refs, err := Stat(memory(b.b))
	if err != nil || size != 1024 || len(refs) != 1 || refs[0] != (disk.Reference{Role: "backing file", Name: "base", Format: "raw"}) {
		t.Errorf("%d bytes, %v, %v", size, refs, err)
	}
	b = newImage(1)
	b.b[79] |= featureExternalData
	if _, refs, err := Stat(memory(b.b)); err != nil || len(refs) != 1 || refs[0] != (disk.Reference{Role: "data file", Format: "raw"}) {
		t.Errorf("%v, %v", refs, err)
	}
	if _, _, err := Stat(memory(make([]byte, 512))); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// The first version is another format, later ones are for [Open] to refuse.
func TestMatch(t *testing.T) {
	for head, want := range map[string]bool{
		"QFI\xfb\x00\x00\x00\x01": false, "QFI\xfb\x00\x00\x00\x02": true, "QFI\xfb\x00\x00\x00\x03": true,
		"QFI\xfb\x00\x00\x00\x09": true, "QFI\x00\x00\x00\x00\x02": false, "\x00\x00\x00\x00\x00\x00\x00\x00": false,
	} {
		if got := Match([]byte(head), nil); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}

// All images of a chain have one cache, which holds nothing when they are closed.
func TestChainCaches(t *testing.T) {
	base := newImage(2)
	base.data(0, 'b')
	top := newImage(2)
	top.backing("base", "qcow2")
	top.data(1, 't')
	m, err := New(memory(top.b), "top", Options{Refer: func(disk.Reference) (disk.Device, error) {
		return Open(memory(base.b), "base", nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	compareReads(t, m, append(bytes.Repeat([]byte("b"), 512), bytes.Repeat([]byte("t"), 512)...))
	if b := m.Backing().(*Image); b.caches != m.caches || m.caches.tables.lru.Len() != 4 {
		t.Errorf("%d tables in the cache", m.caches.tables.lru.Len())
	}
	if err := m.Close(); err != nil || m.caches.tables.lru.Len() != 0 {
		t.Error("a closed chain has tables", err)
	}
}

// Overlays as libguestfs makes them.
func TestEmptyOverlay(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	base := filepath.Join(dir, "base")
	if err := os.WriteFile(base, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options string
		write   string
		ok      bool
	}{
		{"empty", "backing_fmt=raw,backing_file=" + base, "", true},
		{"subclusters", "backing_fmt=raw,extended_l2=on,backing_file=" + base, "", true},
		{"read", "backing_fmt=raw,backing_file=" + base, "read 0 65536", true},
		{"written to", "backing_fmt=raw,backing_file=" + base, "write 900k 4k", false},
		{"no backing file", "cluster_size=4k", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", c.options, image, "1M")
			if c.write != "" {
				testimg.MustRun(t, "qemu-io", "-f", "qcow2", "-c", c.write, image)
			}
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			backing, format, ok := EmptyOverlay(f)
			if ok != c.ok || ok && (backing != base || format != "raw") {
				t.Errorf("%q, %q, %v", backing, format, ok)
			}
		})
	}
	encrypted := newImage(1)
	encrypted.put(testL1, 0)
	encrypted.backing("base", "raw")
	if _, _, ok := EmptyOverlay(memory(encrypted.b)); !ok {
		t.Error("an empty overlay is none")
	}
	encrypted.b[35] = 2
	for _, r := range []io.ReaderAt{bytes.NewReader(nil), memory(newImage(1).b), memory(encrypted.b)} {
		if _, _, ok := EmptyOverlay(r); ok {
			t.Error("not an overlay is one")
		}
	}
}
