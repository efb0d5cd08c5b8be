package unboot_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// A file is read right however it lies on the disk: in hundreds of pieces, with
// holes, with blocks that are allocated and not written (whose old content on the
// disk is another file's), with an end in the middle of a block, and changed
// after it was written.
func TestLayouts(t *testing.T) {
	for _, fstype := range slices.Concat(writable, []string{"ext2", "ext3", "jfs", "nilfs2", "udf"}) {
		t.Run(fstype, func(t *testing.T) {
			image := blank(t, fstype)
			img := open(t, image, unboot.Writable())
			f, err := img.MountAuto()
			if err != nil {
				t.Fatalf("%+v", err)
			}
			want := layouts(t, f)
			if err := img.Close(); err != nil {
				t.Fatalf("%+v", err)
			}
			f = mount(t, image)
			for name, data := range want {
				for way, read := range readWays {
					if got, err := read(f, name); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s by %s: %d bytes, want %d, first difference at %d, error %v", name, way, len(got), len(data), difference(got, data), err)
					}
				}
			}
		})
	}
}

// layouts writes files and returns their content.
func layouts(t *testing.T, f *unboot.FS) map[string][]byte {
	t.Helper()
	const unit = 64 << 10
	// Earlier content of the disk must not show through.
	old := bytes.Repeat([]byte("old!"), 16<<20/4)
	if err := f.WriteFile("old", old, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove("old"); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{}
	a, b := must(f.Create("one")), must(f.Create("other"))
	defer a.Close()
	defer b.Close()
	for i := range 40 {
		for j, w := range []*unboot.File{a, b} {
			data := testimg.Pattern(unit, uint64(2*i+j))
			must(w.Write(data))
			want[w.Name()] = append(want[w.Name()], data...)
			if err := w.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, l := range []struct {
		name     string
		allocate bool
		size     int
	}{{"holes", false, 4<<20 + 777}, {"allocated", true, 4<<20 + 777}, {"aligned", true, 4 << 20}} {
		data := make([]byte, l.size)
		w := must(f.Create(l.name))
		if l.allocate {
			w.Allocate(0, int64(len(data))) // where the file system can
		}
		for off := unit; off < len(data); off += 5 * unit {
			n := copy(data[off:], testimg.Pattern(unit+off%4096, uint64(off)))
			must(w.WriteAt(data[off:off+n], int64(off)))
		}
		if err := w.Truncate(int64(len(data))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		want[l.name] = data
	}
	changed := testimg.Pattern(3<<20, 99)
	w := must(f.Create("changed"))
	must(w.Write(changed))
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	for off := 1000; off < len(changed); off += 300_000 {
		n := copy(changed[off:], fmt.Sprint("changed at ", off))
		must(w.WriteAt(changed[off:off+n], int64(off)))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want["changed"] = changed
	return want
}

// difference returns the offset of the first byte that differs.
func difference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
