package part

import (
	"bytes"
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

const (
	gptScript = "label: gpt\nstart=2048, size=8192, name=one\nsize=8192\n"
	dosScript = "label: dos\n1: size=4M\n2: size=10M, type=5\n5: size=1M\n6: size=2M\n7: size=1M\n"
)

// made are the disks that bytesDisk has made.
var made = map[string][]byte{}

// bytesDisk is the content of a 16 MiB disk made by a script.
func bytesDisk(t *testing.T, script string) []byte {
	if made[script] == nil {
		image := blank(t, 16<<20)
		sfdisk(t, image, script)
		data, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		made[script] = data
	}
	return bytes.Clone(made[script])
}

// sign puts right the checksums of a primary header with 128 entries.
func sign(d []byte) {
	le.PutUint32(d[512+88:], crc32.ChecksumIEEE(d[1024:1024+128*128]))
	le.PutUint32(d[512+16:], 0)
	le.PutUint32(d[512+16:], crc32.ChecksumIEEE(d[512:512+92]))
}

// What is wrong with a table is said, and what can be read of it is read.
func TestProblems(t *testing.T) {
	last := func(d []byte) []byte { return d[len(d)-512:] }
	for _, c := range []struct {
		name   string
		script string
		change func(d []byte) []byte
		kind   string
		parts  int
		want   []string // each in one problem, and no others
	}{
		{"sound", gptScript, func(d []byte) []byte { return d }, "gpt", 2, nil},
		{"truncated", gptScript, func(d []byte) []byte { return d[:6<<20] }, "gpt", 2,
			[]string{"the disk was larger when the table was made: 16 MiB, now 6 MiB", "partition 2 ends 3 MiB past the end"}},
		{"truncated more", gptScript, func(d []byte) []byte { return d[:2<<20] }, "gpt", 2,
			[]string{"the disk was larger", "partition 1 ends 3 MiB past", "partition 2 lies past the end"}},
		{"grown", gptScript, func(d []byte) []byte { return append(d, make([]byte, 1<<20)...) }, "gpt", 2,
			[]string{"has grown since the table was made, by 1 MiB"}},
		{"no backup", gptScript, func(d []byte) []byte { clear(last(d)); return d }, "gpt", 2,
			[]string{"the backup GPT is missing"}},
		{"bad backup", gptScript, func(d []byte) []byte { last(d)[60]++; return d }, "gpt", 2,
			[]string{"the backup GPT is damaged: the header's checksum is wrong"}},
		{"other backup", gptScript, func(d []byte) []byte { d[1024+56]++; sign(d); return d }, "gpt", 2,
			[]string{"the backup GPT says something else"}},
		{"no primary", gptScript, func(d []byte) []byte { clear(d[512:1024]); return d }, "gpt", 2,
			[]string{"the primary GPT is damaged (no GPT header): the backup is used"}},
		{"bad primary entries", gptScript, func(d []byte) []byte { d[1024]++; return d }, "gpt", 2,
			[]string{"the entries' checksum is wrong"}},
		{"no GPT at all", gptScript, func(d []byte) []byte { clear(d[512:1024]); clear(last(d)); return d }, "dos", 1,
			[]string{"the GPT that the MBR announces is missing or damaged"}},
		{"no MBR", gptScript, func(d []byte) []byte { clear(d[:512]); return d }, "gpt", 2,
			[]string{"there is no protective MBR"}},
		{"old MBR", gptScript, func(d []byte) []byte { d[450] = 0x83; return d }, "dos", 1,
			[]string{"there is a GPT too"}},
		{"hybrid", gptScript, func(d []byte) []byte {
			copy(d[462:], "\x80\x00\x00\x00\x0c\x00\x00\x00\x00\x08\x00\x00\x00\x20\x00\x00")
			return d
		},
			"gpt", 2, []string{"hybrid MBR"}},
		{"overlap", gptScript, func(d []byte) []byte { le.PutUint64(d[1024+128+32:], 4096); sign(d); return d }, "gpt", 2,
			[]string{"partitions 1 and 2 overlap", "says something else"}},
		{"backwards", gptScript, func(d []byte) []byte { le.PutUint64(d[1024+40:], 100); sign(d); return d }, "gpt", 1,
			[]string{"from sector 2048 to 100, which cannot be", "says something else"}},
		{"astronomic", gptScript, func(d []byte) []byte { le.PutUint64(d[1024+40:], 1<<64-1); sign(d); return d }, "gpt", 1,
			[]string{"which cannot be", "says something else"}},
		{"twins", gptScript, func(d []byte) []byte { copy(d[1024+128+16:], d[1024+16:1024+32]); sign(d); return d }, "gpt", 2,
			[]string{"partitions 1 and 2 have the same PARTUUID", "says something else"}},
		{"unusable", gptScript, func(d []byte) []byte { le.PutUint64(d[512+40:], 4096); sign(d); return d }, "gpt", 2,
			[]string{"partition 1 is outside of what the table says is usable"}},
		{"billions of entries", gptScript, func(d []byte) []byte { le.PutUint32(d[512+80:], 1<<31); sign(d); return d }, "gpt", 2,
			[]string{"the primary GPT is damaged (2147483648 entries)"}},
		{"huge entries", gptScript, func(d []byte) []byte { le.PutUint32(d[512+84:], 1<<30); sign(d); return d }, "gpt", 2,
			[]string{"the primary GPT is damaged (entries of 1073741824 bytes)"}},
		{"entries elsewhere", gptScript, func(d []byte) []byte { le.PutUint64(d[512+72:], 1<<63); sign(d); return d }, "gpt", 2,
			[]string{"the primary GPT is damaged (entries: "}},
		{"huge header", gptScript, func(d []byte) []byte { le.PutUint32(d[512+12:], 1<<20); return d }, "gpt", 2,
			[]string{"the primary GPT is damaged (a header of 1048576 bytes)"}},

		{"dos", dosScript, func(d []byte) []byte { return d }, "dos", 5, nil},
		{"dos truncated", dosScript, func(d []byte) []byte { return d[:9<<20] }, "dos", 4,
			[]string{"partition 2 ends 6 MiB past the end", "partition 6 ends 1 MiB past", "leaves the disk, at sector 20480"}},
		{"dos chain cut", dosScript, func(d []byte) []byte { return d[:6<<20] }, "dos", 3,
			[]string{"partition 2 ends 9 MiB past", "partition 5 lies past", "leaves the disk, at sector 14336"}},
		{"dos chain broken", dosScript, func(d []byte) []byte { clear(d[5<<20:][:512]); return d }, "dos", 2,
			[]string{"the chain of logical partitions is broken, at sector 10240"}},
		{"dos circle", dosScript, func(d []byte) []byte {
			second := 10240*512 + int(le.Uint32(d[10240*512+446+16+8:]))*512
			le.PutUint32(d[second+446+16+8:], 0)
			return d
		}, "dos", 4, []string{"runs in a circle"}},
		{"dos overlap", dosScript, func(d []byte) []byte { le.PutUint32(d[446+12:], 20000); return d }, "dos", 5,
			[]string{"partitions 1 and 5 overlap", "partitions 1 and 6 overlap"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.change(bytesDisk(t, c.script))
			table, err := Read(bytes.NewReader(d), int64(len(d)), 512)
			if err != nil {
				t.Fatal(err)
			}
			if table.Type != c.kind || len(table.Partitions) != c.parts {
				t.Errorf("%+v", table)
			}
			rest := slices.Clone(table.Problems)
			for _, want := range c.want {
				i := slices.IndexFunc(rest, func(p string) bool { return strings.Contains(p, want) })
				if i < 0 {
					t.Errorf("%q not in %q", want, table.Problems)
					continue
				}
				rest = slices.Delete(rest, i, i+1)
			}
			if len(rest) > 0 {
				t.Errorf("also: %q", rest)
			}
		})
	}
}

// endless is a chain of extended partitions that never ends.
func endless() []byte {
	d := make([]byte, 4<<20)
	put := func(sector int, entries ...[3]uint32) {
		b := d[sector*512:][:512]
		for i, e := range entries {
			b[446+16*i+4] = byte(e[0])
			le.PutUint32(b[446+16*i+8:], e[1])
			le.PutUint32(b[446+16*i+12:], e[2])
		}
		b[510], b[511] = 0x55, 0xaa
	}
	put(0, [3]uint32{5, 1, 8000})
	for i := 1; i < 8000; i++ {
		put(i, [3]uint32{0x83, 1, 1}, [3]uint32{5, uint32(i), 1})
	}
	return d
}

func TestEndless(t *testing.T) {
	d := endless()
	table, err := Read(bytes.NewReader(d), int64(len(d)), 512)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(table.Partitions); n != 1+maxLogical {
		t.Errorf("%d partitions", n)
	}
	if !slices.ContainsFunc(table.Problems, func(p string) bool { return strings.Contains(p, "more than 128") }) {
		t.Errorf("%q", table.Problems)
	}
}

// A disk that was copied to sectors of another size is recognized.
func TestSectorSize(t *testing.T) {
	d := bytesDisk(t, gptScript)
	if n := DetectSectorSize(bytes.NewReader(d), int64(len(d))); n != 512 {
		t.Errorf("detected %d", n)
	}
	table, err := Read(bytes.NewReader(d), int64(len(d)), 4096)
	if err != nil || table.SectorSize != 512 || len(table.Partitions) != 2 || table.Partitions[0].Start != 1<<20 ||
		len(table.Problems) != 1 || table.Problems[0] != "the table is for sectors of 512 bytes, not 4096" {
		t.Errorf("%+v, %v", table, err)
	}

	// A header moved to where it is with larger sectors, and one left there by
	// an earlier life.
	large := make([]byte, len(d))
	copy(large, d[:512])
	copy(large[4096:], d[512:1024])
	copy(large[8192:], d[1024:1024+128*128])
	h := large[4096:]
	le.PutUint64(h[32:], uint64(len(d)/4096-1))
	le.PutUint32(h[16:], 0)
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	for _, stale := range []bool{false, true} {
		if stale {
			copy(large[512:], "EFI PART stale")
		}
		if n := DetectSectorSize(bytes.NewReader(large), int64(len(large))); n != 4096 {
			t.Errorf("detected %d (stale header: %v)", n, stale)
		}
		table, err := Read(bytes.NewReader(large), int64(len(large)), 0)
		if err != nil || table.SectorSize != 4096 || table.Partitions[0].Start != 2048*4096 {
			t.Errorf("%+v, %v", table, err)
		}
	}
	// Only the backup is left.
	clear(d[512:1024])
	if n := DetectSectorSize(bytes.NewReader(d), int64(len(d))); n != 512 {
		t.Errorf("detected %d", n)
	}
}

// An MBR whose boot code is there, but which is no FAT, is an MBR.
func TestBootCode(t *testing.T) {
	d := bytesDisk(t, dosScript)
	copy(d, "\xeb\x63\x90GRUB loads here")
	if table, err := Read(bytes.NewReader(d), int64(len(d)), 0); err != nil || len(table.Partitions) != 5 {
		t.Errorf("%+v, %v", table, err)
	}
	d[446] = 0x33 // no boot flag
	if table, err := Read(bytes.NewReader(d), int64(len(d)), 0); !errors.Is(err, ErrNoTable) {
		t.Errorf("%+v, %v", table, err)
	}
}

// Whatever a disk holds, Read returns, and what it returns makes sense.
func FuzzRead(f *testing.F) {
	mbr := make([]byte, 512)
	copy(mbr[510:], "\x55\xaa")
	copy(mbr[446:], "\x80\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x20\x00\x00")
	f.Add(mbr, uint32(1<<20), false)
	f.Add(endless()[:8192], uint32(1<<22), false)
	f.Add([]byte{}, uint32(0), true)
	gpt := make([]byte, 2048)
	copy(gpt, mbr)
	gpt[450] = typeProtective
	copy(gpt[512:], "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
	le.PutUint64(gpt[512+24:], 1)
	le.PutUint64(gpt[512+32:], 2047)
	le.PutUint64(gpt[512+40:], 3)
	le.PutUint64(gpt[512+48:], 2000)
	le.PutUint64(gpt[512+72:], 2)
	le.PutUint32(gpt[512+80:], 4)
	le.PutUint32(gpt[512+84:], 128)
	copy(gpt[1024:], "type-of-16-bytesuuid-of-16-bytes")
	f.Add(gpt, uint32(1<<20), true)
	f.Add([]byte("ER\x02\x00"+strings.Repeat("\x00", 508)+"PM"), uint32(1<<20), false)
	f.Add([]byte("RDSK\x00\x00\x00\x40\xad\xac\xb4\x6d"), uint32(1<<20), false)
	f.Add(append(make([]byte, 0x1c6), "\x01GEM\x00\x00\x00\x02\x00\x00\x10\x00"...), uint32(1<<22), false)
	for _, script := range []string{gptScript, dosScript} {
		dir := f.TempDir()
		image := dir + "/disk"
		os.WriteFile(image, nil, 0o644)
		os.Truncate(image, 16<<20)
		os.WriteFile(dir+"/script", []byte(script), 0o644)
		if _, err := testimg.Run("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin sfdisk -q "+image+" <"+dir+"/script"); err != nil {
			continue
		}
		d, err := os.ReadFile(image)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(d[:17<<10], uint32(16<<20), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint32, signed bool) {
		if signed && len(data) >= 1024 {
			// Past the checksums, which nobody guesses.
			data = bytes.Clone(data)
			if n := 1024 + int(min(le.Uint32(data[512+80:]), 1<<16))*128; n <= len(data) {
				le.PutUint32(data[512+88:], crc32.ChecksumIEEE(data[1024:n]))
			}
			le.PutUint32(data[512+16:], 0)
			le.PutUint32(data[512+16:], crc32.ChecksumIEEE(data[512:512+92]))
		}
		r := device{data, int64(size)}
		Foreign(r, int64(size))
		for _, sector := range []int{0, 512, 4096} {
			table, err := Read(r, int64(size), sector)
			if errors.Is(err, ErrNoTable) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			if len(table.Problems) > maxProblems || len(table.Partitions) > gptMaxArray/gptEntrySize {
				t.Errorf("%d problems, %d partitions", len(table.Problems), len(table.Partitions))
			}
			for _, p := range table.Partitions {
				if p.Number < 1 || p.Start < 0 || p.Size < 0 || p.End() < p.Start {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}

// device is data and then zeros, up to size.
type device struct {
	data []byte
	size int64
}

func (d device) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(d.data)) {
		copy(p, d.data[off:])
	}
	return len(p), nil
}
