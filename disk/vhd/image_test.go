package vhd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// Images of qemu-img that qemu-io has written to are read as qemu-img reads them.
func TestQemu(t *testing.T) {
	for i, c := range []struct {
		options string
		size    int64
	}{
		{"subformat=dynamic", 40 << 20},
		{"force_size=on", 33<<20 + 512},
		{"subformat=fixed", 20 << 20},
		{"subformat=fixed,force_size=on", 5<<20 + 512},
		{"force_size=on", 1 << 40},
		{"force_size=on", 100 << 10},
	} {
		t.Run(fmt.Sprint(c.options, c.size), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "image.vhd")
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", c.options, path, fmt.Sprint(c.size))
			random := rand.New(rand.NewPCG(1, uint64(i)))
			var args []string
			for range 30 {
				n := (1 + random.Int64N(min(c.size, 3<<20)/512)) * 512
				off := random.Int64N((c.size-n)/512+1) * 512
				args = append(args, "-c", fmt.Sprintf("write -P %d %d %d", random.IntN(256), off, n))
			}
			testimg.MustRun(t, "qemu-io", append(args, "-f", "vpc", path)...)
			m := open(t, path)
			if c.size > 1<<30 {
				compare(t, path, m)
				return
			}
			if got, want := testdisk.ReadAll(t, m), testdisk.Convert(t, "vpc", path); !bytes.Equal(got, want) {
				t.Errorf("%d bytes differ from %d", len(got), len(want))
			}
		})
	}
}

// compare compares extents of a large disk with what qemu-io reads of it.
func compare(t *testing.T, path string, m *Image) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "raw", copied, fmt.Sprint(m.Size()))
	f, err := os.OpenFile(copied, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range m.Extents(0, m.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != disk.Data {
			continue
		}
		b := make([]byte, e.Size)
		if n, err := m.ReadAt(b, e.Start); n < len(b) {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, e.Start); err != nil {
			t.Fatal(err)
		}
	}
	testimg.MustRun(t, "qemu-img", "compare", "-f", "vpc", "-F", "raw", path, copied)
}

// How large the disk is depends on who has made the image.
func TestSize(t *testing.T) {
	for _, c := range []struct {
		creator string
		chs     [3]int
		want    int64
	}{
		{"vpc ", [3]int{100, 4, 17}, 100 * 4 * 17 * 512},
		{"qemu", [3]int{100, 4, 17}, 100 * 4 * 17 * 512},
		{"qemu", [3]int{65535, 16, 255}, 4 << 20},
		{"vpc ", [3]int{65535, 16, 255}, 4 << 20},
		{"vpc ", [3]int{}, 4 << 20},
		{"win ", [3]int{100, 4, 17}, 4 << 20},
		{"qem2", [3]int{100, 4, 17}, 4 << 20},
		{"d2v ", [3]int{100, 4, 17}, 4 << 20},
		{"tap\x00", [3]int{100, 4, 17}, 4 << 20},
		{"CTXS", [3]int{100, 4, 17}, 4 << 20},
		{"vbox", [3]int{100, 4, 17}, 4 << 20},
	} {
		f := testFooter(Fixed, 4<<20, c.creator, parentID)
		be.PutUint16(f[56:], uint16(c.chs[0]))
		f[58], f[59] = byte(c.chs[1]), byte(c.chs[2])
		file := append(make([]byte, 4<<20), sum(f, checksumAt)...)
		size, _, err := Stat(testdisk.ReadOnly(file))
		if err != nil || size != c.want {
			t.Errorf("%q with %v: %d, %v", c.creator, c.chs, size, err)
		}
		if c.creator == "vbox" {
			continue // QEMU 7.2 does not know it
		}
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		out := testimg.MustRun(t, "qemu-img", "info", "-f", "vpc", path)
		if c.chs[0] != 0 && !strings.Contains(out, fmt.Sprintf("(%d bytes)", c.want)) {
			t.Errorf("%q with %v: %s", c.creator, c.chs, out)
		}
	}
}

// A fixed image is recognized by its end, also if that is a footer of 511 bytes.
func TestFixed(t *testing.T) {
	content := bytes.Repeat([]byte("text"), 4096)
	footer := testFooter(Fixed, int64(len(content)), "vpc ", parentID)
	for _, size := range []int{512, 511} {
		file := append(bytes.Clone(content), footer[:size]...)
		if !Match(file[:512], file[len(file)-512:]) {
			t.Errorf("%d bytes are not recognized", size)
		}
		m, err := New(testdisk.ReadOnly(file), "image", nil)
		if err != nil {
			t.Fatal(size, err)
		}
		if got := testdisk.ReadAll(t, m); !bytes.Equal(got, content) {
			t.Errorf("with %d bytes, the disk has %d", size, len(got))
		}
	}
	// Only that of a fixed image counts there: it names no other file.
	for _, f := range [][]byte{testFooter(Differencing, 16384, "win ", childID), testFooter(Dynamic, 16384, "win ", childID), footer[:500]} {
		file := append(bytes.Clone(content), f...)
		if Match(file[:512], file[len(file)-512:]) {
			t.Errorf("% x is recognized", f[:70])
		}
	}
	// Of one that was truncated, what is there can be read.
	m := mustNew(t, append(bytes.Clone(content[:1024]), footer...), nil)
	b := make([]byte, 2000)
	if n, err := m.ReadAt(b, 0); n != 1024 || !errors.Is(err, ErrDamaged) || !bytes.Equal(b[:n], content[:n]) {
		t.Errorf("a truncated image: %d, %v", n, err)
	}
}

// A child has some of the sectors, its parent the others.
func TestDifferencing(t *testing.T) {
	const size, block = 10*4096 + 1024, 4096
	parent := newSparse(Dynamic, size, block, parentID)
	for i := range 11 {
		if i != 3 {
			parent.data(i, []byte{0xff}, bytes.Repeat([]byte{'a' + byte(i)}, block))
		}
	}
	child := newSparse(Differencing, size, block, childID)
	child.parent(parentID, `C:\images\parent.vhd`, codeAbsolute, `C:\images\parent.vhd`, codeRelative, `.\sub\parent.vhd`)
	want := testdisk.ReadAll(t, mustNew(t, parent.bytes(), nil))
	for block, bits := range map[int]byte{0: 0b1010_0001, 3: 0b0001_0000, 5: 0xff, 6: 0, 10: 0b1100_0000} {
		content := bytes.Repeat([]byte{'A' + byte(block)}, 4096)
		child.data(block, []byte{bits}, content)
		for i := range 8 {
			if bits<<i&0x80 != 0 && block*4096+i*512 < size {
				copy(want[block*4096+i*512:][:512], content)
			}
		}
	}
	var asked []disk.Reference
	refer := func(r disk.Reference) (disk.Device, error) {
		asked = append(asked, r)
		return mustNew(t, parent.bytes(), nil), nil
	}
	m := mustNew(t, child.bytes(), refer)
	if got := testdisk.ReadAll(t, m); !bytes.Equal(got, want) {
		t.Error("differs")
	}
	if want := (disk.Reference{Role: disk.BackingFile, Name: "sub/parent.vhd", Format: "vpc"}); len(asked) != 1 || asked[0] != want {
		t.Errorf("%+v", asked)
	}
	if _, refs, err := Stat(testdisk.ReadOnly(child.bytes())); err != nil || len(refs) != 1 || refs[0] != asked[0] {
		t.Errorf("%+v, %v", refs, err)
	}
	if m.Close() != nil {
		t.Error("close")
	}

	if _, err := New(testdisk.ReadOnly(child.bytes()), "image", nil); !errors.Is(err, disk.ErrNotAllowed) {
		t.Error(err)
	}
	other := newSparse(Dynamic, size, block, childID)
	refer = func(disk.Reference) (disk.Device, error) { return mustNew(t, other.bytes(), nil), nil }
	if _, err := New(testdisk.ReadOnly(child.bytes()), "image", refer); !errors.Is(err, ErrParent) || !strings.Contains(err.Error(), "UUID") {
		t.Error(err)
	}
	refer = func(disk.Reference) (disk.Device, error) { return testdisk.ReadOnly(make([]byte, size)), nil }
	if _, err := New(testdisk.ReadOnly(child.bytes()), "image", refer); !errors.Is(err, ErrParent) {
		t.Error(err)
	}
}

// A parent is looked for under the names that mean something, one after the other.
func TestParentNames(t *testing.T) {
	for _, c := range []struct {
		name     string
		locators []string
		want     string
	}{
		{"parent.vhd", nil, "parent.vhd"},
		{`C:\p.vhd`, nil, ""},
		{``, nil, ""},
		{`C:\p.vhd`, []string{codeAbsolute, `D:\x\p.vhd`, codeRelative, `..\p.vhd`}, "../p.vhd"},
		{`p.vhd`, []string{codeMac, "file:///srv/a%20b.vhd"}, "p.vhd /srv/a b.vhd"},
		{`C:\p.vhd`, []string{codeMac, "file://./../p.vhd", codeAbsolute, "/srv/p.vhd"}, "../p.vhd /srv/p.vhd"},
		{`C:\p.vhd`, []string{codeMac, "file://localhost/srv/p.vhd"}, "/srv/p.vhd"},
		{`C:\p.vhd`, []string{codeMac, "http://localhost/srv/p.vhd"}, ""},
		{`C:\p.vhd`, []string{codeRelativeOld, "old.vhd\x00"}, "old.vhd"},
	} {
		child := newSparse(Differencing, 8192, 4096, childID)
		child.parent(parentID, c.name, c.locators...)
		var asked []string
		_, err := New(testdisk.ReadOnly(child.bytes()), "image", func(r disk.Reference) (disk.Device, error) {
			asked = append(asked, r.Name)
			return nil, fs.ErrNotExist
		})
		if got := strings.Join(asked, " "); got != c.want {
			t.Errorf("%q %q: %q", c.name, c.locators, got)
		}
		if want := c.want != ""; err == nil || errors.Is(err, fs.ErrNotExist) != want {
			t.Errorf("%q %q: %v", c.name, c.locators, err)
		}
		if size, refs, err := Stat(testdisk.ReadOnly(child.bytes())); size != 8192 || len(refs) != 1 || err != nil {
			t.Errorf("%q: %d, %+v, %v", c.name, size, refs, err)
		}
	}
}

func mustNew(t testing.TB, b []byte, refer func(disk.Reference) (disk.Device, error)) *Image {
	t.Helper()
	m, err := New(testdisk.ReadOnly(b), "image", refer)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDamaged(t *testing.T) {
	for name, damage := range map[string]func(s *sparse, b []byte) []byte{
		"a checksum":                func(s *sparse, b []byte) []byte { b[100]++; b[len(b)-200]++; return b },
		"the header's checksum":     func(s *sparse, b []byte) []byte { b[512+70]++; return b },
		"no header":                 func(s *sparse, b []byte) []byte { s.header[0] = 'x'; return s.bytes() },
		"blocks of no power of two": func(s *sparse, b []byte) []byte { be.PutUint32(s.header[32:], 4097); return s.bytes() },
		"blocks of nothing":         func(s *sparse, b []byte) []byte { be.PutUint32(s.header[32:], 0); return s.bytes() },
		"a table that is too small": func(s *sparse, b []byte) []byte { be.PutUint32(s.header[28:], 1); return s.bytes() },
		"a table at the end": func(s *sparse, b []byte) []byte {
			be.PutUint64(s.header[16:], uint64(len(b))/512*512)
			return s.bytes()
		},
		"a table beyond":        func(s *sparse, b []byte) []byte { be.PutUint64(s.header[16:], 1<<62); return s.bytes() },
		"a header beyond":       func(s *sparse, b []byte) []byte { be.PutUint64(s.footer[16:], 1<<63); return s.bytes() },
		"a block in the header": func(s *sparse, b []byte) []byte { be.PutUint32(s.table, 1); return s.bytes() },
		"a block beyond":        func(s *sparse, b []byte) []byte { be.PutUint32(s.table, 1<<31); return s.bytes() },
		"a block cut off":       func(s *sparse, b []byte) []byte { return b[:len(b)-1024] },
		"a huge disk":           func(s *sparse, b []byte) []byte { be.PutUint64(s.footer[48:], 1<<60); return s.bytes() },
	} {
		s := newSparse(Dynamic, 8192, 4096, parentID)
		s.data(0, []byte{0xff}, make([]byte, 4096))
		s.data(1, []byte{0xff}, make([]byte, 4096))
		m, err := New(testdisk.ReadOnly(damage(s, s.bytes())), "image", nil)
		if err == nil {
			_, err = m.ReadAt(make([]byte, 8192), 0)
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), " image: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Of a footer that is damaged at one end, there is another one.
	s := newSparse(Dynamic, 8192, 4096, parentID)
	s.data(0, []byte{0xff}, bytes.Repeat([]byte{'x'}, 4096))
	for _, at := range []int{0, 8192 + 512 + 4096} {
		b := s.bytes()
		clear(b[at:][:512])
		if got := testdisk.ReadAll(t, mustNew(t, b, nil)); got[0] != 'x' {
			t.Errorf("without the footer at %d: %d", at, got[0])
		}
	}
}
