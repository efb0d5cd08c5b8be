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
				t.Error("an extent behind the end")
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

// What cannot be is an error when it is read, and names the image. The rest is read.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(b *builder)
		want   string
	}{
		{"L2 table behind the end", func(b *builder) { b.put(testL1, 1<<40) }, "the L2 table for 512 lies behind the end"},
		{"L2 table cut", func(b *builder) { b.put(testL1, uint64(len(b.b))); b.b = append(b.b, 0, 0, 0, 0, 0, 0, 0, 0, 1) }, "lies behind the end"},
		{"cluster behind the end", func(b *builder) { b.entry(1, 1<<40) }, "was it truncated?"},
		{"cluster at the end", func(b *builder) { b.entry(1, uint64(len(b.b))) }, "was it truncated?"},
		{"compressed behind the end", func(b *builder) { b.entry(1, entryCompressed|1<<40) }, "behind the end of the file"},
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

// Nothing that a header names is opened unless the caller wants it.
func TestNotAllowed(t *testing.T) {
	b := newImage(2)
	b.backing("/etc/shadow", "raw")
	_, err := New(memory(b.b), "/images/a", Options{})
	e, ok := errors.AsType[*NotAllowedError](err)
	if !ok || !errors.Is(err, ErrNotAllowed) || !strings.Contains(err.Error(), `"/etc/shadow"`) {
		t.Fatal(err)
	}
	e.Reference.caches = nil
	if want := (Reference{"backing file", "/images/a", "/etc/shadow", "/etc/shadow", "raw", 1, nil}); e.Reference != want {
		t.Errorf("%+v", e.Reference)
	}
	if _, err := New(memory(b.b), "/images/a", Options{Backing: func(Reference) (disk.Device, error) { return nil, nil }}); !errors.Is(err, ErrNotAllowed) {
		t.Error(err)
	}
	refused := errors.New("refused")
	for _, why := range []error{ErrNotAllowed, refused} {
		asked := ""
		follow := Follow(func(r Reference) error { asked = r.Path; return why })
		if _, err := New(memory(b.b), "/images/a", Options{Backing: follow}); !errors.Is(err, why) || asked != "/etc/shadow" {
			t.Error(err, asked)
		}
	}
	if m, err := New(memory(b.b), "/images/a", Options{NoBacking: true}); err != nil || m.Backing() != nil {
		t.Error(err)
	}

	b.backing("other", "raw")
	m, err := New(memory(b.b), "/images/a", Options{Backing: func(r Reference) (disk.Device, error) {
		if r.Path != "/images/other" {
			t.Error(r)
		}
		return memory(bytes.Repeat([]byte{7}, 700)), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	compareReads(t, m, append(bytes.Repeat([]byte{7}, 700), make([]byte, 324)...))

	b = newImage(1)
	b.b[79] |= featureExternalData
	b.extension(104, extensionDataFile, "/etc/shadow")
	if _, err := New(memory(b.b), "/images/a", Options{Backing: Follow(func(Reference) error { return nil })}); !errors.Is(err, ErrNotAllowed) ||
		!strings.Contains(err.Error(), `data file "/etc/shadow"`) {
		t.Error(err)
	}
}

// A chain that runs in a circle ends, as does one that is too long, and all of its
// files are closed.
func TestCircle(t *testing.T) {
	dir := t.TempDir()
	for name, other := range map[string]string{"a": "b", "b": "a"} {
		b := newImage(1)
		b.backing(other, "qcow2")
		if err := os.WriteFile(filepath.Join(dir, name), b.b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := descriptors(t)
	follow := Follow(func(Reference) error { return nil })
	if _, err := Open(filepath.Join(dir, "a"), Options{Backing: follow}); !errors.Is(err, ErrDepth) {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(l)
}

// Files that are closed; backing files whose format is not said, not known, or wrong.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	base := newImage(1)
	base.data(0, 'q')
	put("base", base.b)
	put("empty", nil)
	before := descriptors(t)
	for _, c := range []struct {
		name, format string
		want         string // the first byte
	}{
		{"base", "qcow2", "q"},
		{"base", "", "q"},
		{"base", "raw", "Q"},
		{"file:" + dir + "/base", "qcow2", "q"},
		{"empty", "raw", "\x00"},
		{"empty", "", "\x00"},
		{"empty", "qcow2", disk.ErrEmpty.Error()},
		{"base", "vmdk", `format "vmdk"`},
		{"missing", "raw", "no such file"},
		{"nbd://host/x", "raw", `"nbd://host/x" is not one`},
		{`json:{"driver":"file"}`, "raw", "is not one"},
	} {
		b := newImage(1)
		b.backing(c.name, c.format)
		put("top", b.b)
		m, err := Open(filepath.Join(dir, "top"), Options{Backing: Follow(func(Reference) error { return nil })})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %q: %v", c.name, c.format, err)
			}
			continue
		}
		p := make([]byte, 1)
		if _, err := m.ReadAt(p, 0); err != nil || string(p) != c.want {
			t.Errorf("%q, %q: %q, %v", c.name, c.format, p, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ image, name, want string }{
		{"/a/b", "c", "/a/c"},
		{"/a/b", "/c", "/c"},
		{"/a/b", "../c", "/a/../c"},
		{"b", "c", "c"},
		{"d/b", "c/e", "d/c/e"},
		{"/a/b", "", ""},
		{"/a/b", "nbd:unix:/x", ""},
		{"/a/b", "json:{}", ""},
		{"/a/b", "file:/x/y", "/x/y"},
		{"/a/b", "file:y", "y"},
		{"/a/b", "file:", ""},
		{"/a/b", "./c:d", "/a/./c:d"},
		{"/a:x/b", "c", "/a:x/c"},
	} {
		if got := Resolve(c.image, c.name); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.image, c.name, got, c.want)
		}
	}
}

// Qemu agrees about relative names.
func TestResolveQemu(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"base", "sub/../base", "../x/base", "./a:b", dir + "/base"} {
		image := filepath.Join(dir, "image")
		testimg.MustRun(t, "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", image, "1M")
		out := testimg.MustRun(t, "qemu-img", "info", "-U", image)
		got := Resolve(image, name)
		if name != got && !strings.Contains(out, "backing file: "+name+" (actual path: "+got+")") || name == got && !strings.Contains(out, "backing file: "+name) {
			t.Errorf("%q: %q, and\n%s", name, got, out)
		}
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
