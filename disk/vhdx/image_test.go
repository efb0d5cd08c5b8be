package vhdx

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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
		{"block_size=1M", 33<<20 + 512},
		{"block_size=2M,block_state_zero=off", 20 << 20},
		{"subformat=fixed,block_size=1M", 5<<20 + 512},
		{"block_size=256M", 300 << 20},
		{"block_size=1M,log_size=2M", 100 << 10},
	} {
		t.Run(c.options, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "image.vhdx")
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", c.options, path, fmt.Sprint(c.size))
			random := rand.New(rand.NewPCG(1, uint64(i)))
			var args []string
			for range 20 {
				n := (1 + random.Int64N(min(c.size, 3<<20)/512)) * 512
				off := random.Int64N((c.size-n)/512+1) * 512
				args = append(args, "-c", fmt.Sprintf("write -P %d %d %d", random.IntN(256), off, n))
			}
			testimg.MustRun(t, "qemu-io", append(args, "-f", "vhdx", path)...)
			if got, want := testdisk.ReadAll(t, open(t, path)), testdisk.Convert(t, "vhdx", path); !bytes.Equal(got, want) {
				t.Errorf("%d bytes differ from %d", len(got), len(want))
			}
		})
	}
}

// A child has some of the sectors, its parent the others.
func TestDifferencing(t *testing.T) {
	for _, sector := range []int64{512, 4096} {
		const size, block = 4*mib + 8192, mib
		parent := newImage(size, block, sector, nil)
		parent.data(0, statePresent, bytes.Repeat([]byte{'a'}, mib))
		parent.data(1, statePresent, bytes.Repeat([]byte{'b'}, mib))
		parent.state(2, stateZero, 0)
		parent.data(4, statePresent, bytes.Repeat([]byte{'e'}, mib))
		child := newImage(size, block, sector, map[string]string{
			keyLinkage: "{" + strings.ToUpper(parentWrite.String()) + "}", keyRelative: `.\parent.vhdx`, keyAbsolute: `\\?\C:\parent.vhdx`,
		})
		child.data(0, statePartial, bytes.Repeat([]byte{'A'}, mib))
		child.data(1, statePresent, bytes.Repeat([]byte{'B'}, mib))
		child.state(2, stateUnmapped, 0)
		child.data(4, statePartial, bytes.Repeat([]byte{'E'}, mib))
		bits := make([]byte, mib)
		bits[0], bits[1] = 0b1000_0101, 0b0000_0011
		bits[4*(mib/sector)/8] = 0b10
		child.bitmap(0, bits)

		want := testdisk.ReadAll(t, mustNew(t, parent.Disk, nil))
		fill := func(off, n int64, c byte) { copy(want[off:], bytes.Repeat([]byte{c}, int(n))) }
		for _, i := range []int64{0, 2, 7, 8, 9} {
			fill(i*sector, sector, 'A')
		}
		fill(mib, mib, 'B')
		fill(2*mib, mib, 0)
		fill(4*mib+sector, sector, 'E')

		var asked []disk.Reference
		refer := func(r disk.Reference) (disk.Device, error) {
			asked = append(asked, r)
			return mustNew(t, parent.Disk, nil), nil
		}
		m := mustNew(t, child.Disk, refer)
		if got := testdisk.ReadAll(t, m); !bytes.Equal(got, want) {
			t.Error("differs")
		}
		if m.SectorSize() != int(sector) {
			t.Error(m.SectorSize())
		}
		if want := (disk.Reference{Role: disk.BackingFile, Name: "parent.vhdx", Format: "vhdx"}); len(asked) != 1 || asked[0] != want {
			t.Errorf("%+v", asked)
		}
		if _, refs, err := Stat(child.Disk); err != nil || len(refs) != 1 || refs[0] != asked[0] {
			t.Errorf("%+v, %v", refs, err)
		}
		if _, err := New(child.Disk, "image", nil); !errors.Is(err, disk.ErrNotAllowed) {
			t.Error(err)
		}
		// A parent that was written to.
		changed := parent.Clone()
		h := make([]byte, headerSize)
		changed.ReadAt(h, headerAt2)
		h[32]++
		(&builder{Disk: changed}).seal(headerAt2, h)
		refer = func(disk.Reference) (disk.Device, error) { return mustNew(t, changed, nil), nil }
		if _, err := New(child.Disk, "image", refer); !errors.Is(err, ErrParent) || !strings.Contains(err.Error(), "DataWriteGuid") {
			t.Error(err)
		}
		other := newImage(size, block, 4096+512-sector, nil)
		refer = func(disk.Reference) (disk.Device, error) { return mustNew(t, other.Disk, nil), nil }
		if _, err := New(child.Disk, "image", refer); !errors.Is(err, ErrParent) || !strings.Contains(err.Error(), "sectors") {
			t.Error(err)
		}
	}
}

func mustNew(t testing.TB, d disk.Device, refer func(disk.Reference) (disk.Device, error)) *Image {
	t.Helper()
	m, err := New(d, "image", refer)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A parent is looked for under the names that mean something, one after the other.
func TestParentNames(t *testing.T) {
	for _, c := range []struct {
		texts map[string]string
		want  string
	}{
		{map[string]string{keyRelative: `..\p.vhdx`, keyAbsolute: `C:\p.vhdx`}, "../p.vhdx"},
		{map[string]string{keyAbsolute: `\\?\C:\p.vhdx`, keyVolume: `\\?\Volume{26A2}\p.vhdx`}, ""},
		{map[string]string{keyAbsolute: `/srv/p.vhdx`, keyRelative: `./p.vhdx`}, "p.vhdx /srv/p.vhdx"},
		{map[string]string{}, ""},
	} {
		child := newImage(mib, mib, 512, c.texts)
		var asked []string
		_, err := New(child.Disk, "image", func(r disk.Reference) (disk.Device, error) {
			asked = append(asked, r.Name)
			return nil, fs.ErrNotExist
		})
		if got := strings.Join(asked, " "); got != c.want {
			t.Errorf("%q: %q", c.texts, got)
		}
		if want := c.want != ""; err == nil || errors.Is(err, fs.ErrNotExist) != want {
			t.Errorf("%q: %v", c.texts, err)
		}
		if size, refs, err := Stat(child.Disk); size != mib || len(refs) != 1 || err != nil {
			t.Errorf("%q: %d, %+v, %v", c.texts, size, refs, err)
		}
	}
}

// sectorOf returns a sector of the table with the entry of block 0 changed.
func sectorOf(b *builder, entry uint64) []byte {
	p := make([]byte, logSector)
	b.ReadAt(p, testBAT)
	le.PutUint64(p, entry)
	return p
}

// The log is replayed in memory: its newest valid sequence, and nothing else.
func TestLog(t *testing.T) {
	b := newImage(2*mib, mib, 512, nil)
	b.data(0, statePresent, bytes.Repeat([]byte{'x'}, mib))
	b.data(1, statePresent, bytes.Repeat([]byte{'y'}, mib))
	x, y := uint64(testBlocks|statePresent), uint64(testBlocks+mib|statePresent)
	end := int64(testBlocks + 2*mib)
	entry := func(sequence uint64, tail int64, changes ...any) []byte {
		return logEntry(sequence, logID, tail, end, end, changes...)
	}
	old := func(sequence uint64, changes ...any) []byte {
		return logEntry(sequence, parentWrite, 0, end, end, changes...)
	}
	swap, zero := sectorOf(b, y), sectorOf(b, stateZero)
	same := sectorOf(b, x)
	long := []any{}
	for range 300 { // more than the first and the second sector of descriptors
		long = append(long, testBAT, same)
	}
	long = long[:2*230]
	long = append(long, testBAT, swap)
	broken := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at]++; return b }
	for name, c := range map[string]struct {
		log  []any  // offset, entry, …
		want string // first byte of the disk, "" for damage
	}{
		"nothing":                   {nil, "x"},
		"empty entry":               {[]any{0, entry(5, 0)}, "x"},
		"one":                       {[]any{0, entry(5, 0, testBAT, swap)}, "y"},
		"two":                       {[]any{0, entry(5, 0, testBAT, swap), 8192, entry(6, 0, testBAT, zero)}, "\x00"},
		"only the last":             {[]any{0, entry(5, 0, testBAT, swap), 8192, entry(6, 8192)}, "x"},
		"zeros":                     {[]any{4096, entry(5, 4096, testBAT, 8192)}, "\x00"},
		"zeros before":              {[]any{4096, entry(5, 4096, testBAT, 8192, testBAT, swap)}, "y"},
		"zeros after":               {[]any{4096, entry(5, 4096, testBAT, swap, testBAT, 4096)}, "\x00"},
		"other GUID":                {[]any{0, old(5, testBAT, swap)}, "x"},
		"other GUID after":          {[]any{0, entry(5, 0, testBAT, swap), 8192, old(6, testBAT, zero)}, "y"},
		"torn":                      {[]any{0, entry(5, 0, testBAT, swap), 8192, broken(entry(6, 0, testBAT, zero), 5000)}, "y"},
		"torn header":               {[]any{0, entry(5, 0, testBAT, swap), 8192, broken(entry(6, 0, testBAT, zero), 60)}, "y"},
		"only torn":                 {[]any{0, broken(entry(6, 0, testBAT, swap), 5000)}, ""},
		"a gap":                     {[]any{0, entry(5, 0, testBAT, swap), 8192, entry(7, 0, testBAT, zero)}, "y"},
		"older after":               {[]any{0, entry(5, 0, testBAT, swap), 8192, entry(4, 8192, testBAT, zero)}, "y"},
		"newer after":               {[]any{0, entry(5, 0, testBAT, swap), 65536, entry(9, 65536, testBAT, zero)}, "\x00"},
		"around the end":            {[]any{mib - 8192, entry(5, mib-8192, testBAT, swap), 0, entry(6, mib-8192, testBAT, zero)}, "\x00"},
		"cut by the end":            {[]any{mib - 4096, entry(5, mib-4096, testBAT, zero)}, "\x00"},
		"the tail elsewhere":        {[]any{0, entry(5, 65536, testBAT, swap)}, ""},
		"more than a sector":        {[]any{mib - 40960, entry(5, mib-40960, long...)}, "y"},
		"truncated":                 {[]any{0, logEntry(5, logID, 0, end+mib, end, testBAT, swap)}, ""},
		"a descriptor off a sector": {[]any{0, entry(5, 0, testBAT+512, swap)}, ""},
		"a huge descriptor":         {[]any{0, entry(5, 0, 1<<62, swap)}, ""},
	} {
		c2 := &builder{Disk: b.Clone()}
		c2.headers(3, logID)
		for i := 0; i < len(c.log); i += 2 {
			at, e := c.log[i].(int), c.log[i+1].([]byte)
			first := min(len(e), mib-at)
			c2.put(testLog+int64(at), e[:first])
			if first < len(e) {
				c2.put(testLog, e[first:])
			}
		}
		before := c2.Clone()
		m, err := New(c2.Disk, "image", nil)
		if err != nil {
			if c.want != "" || !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if got := testdisk.ReadAll(t, m); c.want == "" || string(got[:1]) != c.want || !strings.HasPrefix(name, "zeros") && got[mib] != 'y' {
			t.Errorf("%s: %q, want %q", name, got[:1], c.want)
		}
		if !before.Equal(c2.Disk) {
			t.Errorf("%s: the file has changed", name)
		}
	}
}

// A log may say that the file is longer than it is.
func TestLogExtends(t *testing.T) {
	b := newImage(2*mib, mib, 512, nil)
	b.headers(3, logID)
	b.put(testLog, logEntry(7, logID, 0, testBlocks, testBlocks+mib, testBAT, sectorOf(b, testBlocks|statePresent)))
	if got := testdisk.ReadAll(t, mustNew(t, b.Disk, nil)); !bytes.Equal(got, make([]byte, 2*mib)) {
		t.Error("not zeros")
	}
}

func TestDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(b *builder)
		want   error
	}{
		"no signature":   {func(b *builder) { b.put(0, []byte("x")) }, ErrFormat},
		"one header":     {func(b *builder) { b.put(headerAt1, []byte("x")) }, nil},
		"other header":   {func(b *builder) { b.put(headerAt2+3000, []byte("x")) }, nil},
		"both headers":   {func(b *builder) { b.put(headerAt2+3000, []byte("x")); b.put(headerAt1+3000, []byte("x")) }, ErrDamaged},
		"one region":     {func(b *builder) { b.put(regionsAt1+60000, []byte("x")) }, nil},
		"both regions":   {func(b *builder) { b.put(regionsAt1+60000, []byte("x")); b.put(regionsAt2+60000, []byte("x")) }, ErrDamaged},
		"same sequence":  {func(b *builder) { b.rewrite(headerAt2, headerSize, func(p []byte) { p[8] = 1; p[16] = 7 }) }, ErrDamaged},
		"version":        {func(b *builder) { b.both(func(p []byte) { p[66] = 2 }) }, ErrFeature},
		"log version":    {func(b *builder) { b.both(func(p []byte) { p[64] = 1; p[48] = 1 }) }, ErrFeature},
		"unused log":     {func(b *builder) { b.both(func(p []byte) { p[64] = 1 }) }, nil},
		"log off":        {func(b *builder) { b.both(func(p []byte) { p[73] = 1 }) }, ErrDamaged},
		"log on a table": {func(b *builder) { b.both(func(p []byte) { p[74] = 0x20 }) }, ErrDamaged},
		"region required": {func(b *builder) {
			b.regions(func(p []byte) { p[8] = 3; copy(p[80:], "unknown"); le.PutUint64(p[96:], 8*mib); p[108] = 1 })
		}, ErrFeature},
		"region unknown": {func(b *builder) {
			b.regions(func(p []byte) { p[8] = 3; copy(p[80:], "unknown"); le.PutUint64(p[96:], 8*mib) })
		}, nil},
		"region twice":        {func(b *builder) { b.regions(func(p []byte) { copy(p[48:64], p[16:32]) }) }, ErrDamaged},
		"regions overlap":     {func(b *builder) { b.regions(func(p []byte) { copy(p[64:72], p[32:40]) }) }, ErrDamaged},
		"region in header":    {func(b *builder) { b.regions(func(p []byte) { clear(p[32:40]) }) }, ErrDamaged},
		"many regions":        {func(b *builder) { b.regions(func(p []byte) { p[9] = 8 }) }, ErrDamaged},
		"no metadata":         {func(b *builder) { b.put(testMetadata, []byte("x")) }, ErrDamaged},
		"item required":       {func(b *builder) { b.put(testMetadata+32, []byte("x")) }, ErrFeature},
		"item missing":        {func(b *builder) { b.put(testMetadata+32, []byte("x")); b.put(testMetadata+56, []byte{0}) }, ErrDamaged},
		"item beyond":         {func(b *builder) { b.put(testMetadata+50, []byte{0x0f, 0xff}) }, ErrDamaged},
		"item too short":      {func(b *builder) { b.put(testMetadata+52, []byte{4}) }, ErrDamaged},
		"block size":          {func(b *builder) { b.put(testMetadata+metadataTable, []byte{1}) }, ErrDamaged},
		"sector size":         {func(b *builder) { b.put(testMetadata+metadataTable+32, []byte{1}) }, ErrDamaged},
		"disk size":           {func(b *builder) { b.put(testMetadata+metadataTable+8, []byte{1}) }, ErrDamaged},
		"huge disk":           {func(b *builder) { b.put(testMetadata+metadataTable+15, []byte{1}) }, ErrDamaged},
		"disk for the table":  {func(b *builder) { b.put(testMetadata+metadataTable+13, []byte{1}) }, ErrDamaged},
		"state":               {func(b *builder) { b.state(0, 4, testBlocks) }, ErrDamaged},
		"partial":             {func(b *builder) { b.state(0, 7, testBlocks) }, ErrDamaged},
		"block in header":     {func(b *builder) { b.state(0, 6, 0) }, ErrDamaged},
		"block past the file": {func(b *builder) { b.state(0, 6, 1<<40) }, ErrDamaged},
		"block far away":      {func(b *builder) { b.state(0, 6, -mib) }, ErrDamaged},
		"truncated":           {func(b *builder) { b.Resize(testBlocks + mib/2) }, ErrDamaged},
		"truncated table":     {func(b *builder) { b.Resize(testBAT + 4) }, ErrDamaged},
	} {
		b := newImage(2*mib, mib, 512, nil)
		b.data(0, statePresent, bytes.Repeat([]byte{'x'}, mib))
		c.damage(b)
		m, err := New(b.Disk, "image", nil)
		if err == nil {
			_, err = m.ReadAt(make([]byte, 2*mib), 0)
		}
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), " image: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (b *builder) rewrite(at, size int64, change func(p []byte)) {
	p := make([]byte, size)
	b.ReadAt(p, at)
	change(p)
	b.seal(at, p)
}

func (b *builder) both(change func(p []byte)) {
	b.rewrite(headerAt1, headerSize, change)
	b.rewrite(headerAt2, headerSize, change)
}

func (b *builder) regions(change func(p []byte)) {
	b.rewrite(regionsAt1, regionsSize, change)
	b.rewrite(regionsAt2, regionsSize, change)
}
