package disk_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

// What is discarded or zeroed is a hole afterwards, and takes no space of the host's.
func TestRawRanges(t *testing.T) {
	const unit = 64 << 10
	path := image(t, 512, "x")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 8*unit), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := disk.OpenRaw(path, disk.Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var before, after unix.Stat_t
	if err := unix.Stat(path, &before); err != nil {
		t.Fatal(err)
	}
	if err := r.Discard(unit, unit); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteZeroes(4*unit, 512); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"discard past the end": r.Discard(7*unit, 2*unit), "before the start": r.Discard(-1, 1), "overflow": r.WriteZeroes(1<<62, 1<<62),
		"zero past the end": r.WriteZeroes(8*unit, 1), "negative": r.Discard(0, -1), "too small": r.Resize(511), "no size": r.Resize(-1),
	} {
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Resize(10 * unit); err != nil || r.Size() != 10*unit {
		t.Errorf("%d bytes, %v", r.Size(), err)
	}
	if err := unix.Stat(path, &after); err != nil || before.Blocks-after.Blocks < unit/512 || after.Size != 10*unit {
		t.Errorf("%d sectors, then %d; %d bytes, %v", before.Blocks, after.Blocks, after.Size, err)
	}
	want := bytes.Repeat([]byte("x"), 10*unit)
	clear(want[unit : 2*unit])
	clear(want[4*unit : 4*unit+512])
	clear(want[8*unit:])
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the content differs, %v", err)
	}

	extents := func(off, n int64) (list []disk.Extent) {
		for e, err := range r.Extents(off, n) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
		return list
	}
	if got, want := extents(unit/2, 2*unit), []disk.Extent{
		{Start: unit / 2, Size: unit / 2, Kind: disk.Data, Offset: unit / 2},
		{Start: unit, Size: unit, Kind: disk.Hole},
		{Start: 2 * unit, Size: unit / 2, Kind: disk.Data, Offset: 2 * unit},
	}; !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := extents(9*unit, 1<<62); !slices.Equal(got, []disk.Extent{{Start: 9 * unit, Size: unit, Kind: disk.Hole}}) {
		t.Errorf("at the end: %v", got)
	}
	if got := slices.Concat(extents(10*unit, 1), extents(-1, 5), extents(0, -1), extents(0, 0), extents(1<<62, 1<<62)); got != nil {
		t.Errorf("of nothing: %v", got)
	}
	// What there is adds up, and the holes are zeros.
	end := int64(0)
	for _, e := range extents(0, 1<<63-1) {
		if e.Start != end || e.Kind == disk.Hole && len(bytes.Trim(want[e.Start:e.Start+e.Size], "\x00")) != 0 {
			t.Errorf("%+v follows %d", e, end)
		}
		end += e.Size
	}
	if end != r.Size() {
		t.Errorf("the extents end at %d", end)
	}

	// A disk that is only read stays as it is.
	read, err := disk.OpenRaw(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for name, err := range map[string]error{"discard": read.Discard(0, 512), "zero": read.WriteZeroes(0, 512), "resize": read.Resize(1 << 20)} {
		if err == nil {
			t.Errorf("%s: of a disk that is only read", name)
		}
	}
	if read.Size() != 10*unit {
		t.Errorf("%d bytes", read.Size())
	}
}
