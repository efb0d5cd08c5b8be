package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// A sort of volumes, whose metadata is broken in ways of its own.
type sort struct {
	name    string
	disks   func(t *testing.T) []string
	secrets []string
	change  func(rng *rand.Rand, d *patched) string
}

var sorts = []sort{
	{"lvm-linear", fixture("lvm-linear"), nil, gptThen(changeLVM)},
	{"lvm-names", fixture("lvm-names"), nil, changeLVM},
	{"lvm-thin", fixture("lvm-thin"), nil, changeLVM},
	{"lvm-raid", fixture("lvm-raid"), nil, changeLVM},
	{"lvm-cache", fixture("lvm-cache"), nil, changeLVM},
	{"lvm-snapshot", fixture("lvm-snapshot"), nil, changeLVM},
	{"md-levels", fixture("md-levels"), nil, changeMD},
	{"md-features", fixture("md-features"), nil, changeMD},
	{"md-ddf", fixture("md-ddf"), nil, changeEnds},
	{"md-imsm", fixture("md-imsm"), nil, changeEnds},
	{"luks1", fixture("luks1"), []string{"secret"}, changeStart},
	{"luks2-pbkdf2", fixture("luks2-pbkdf2"), []string{"secret"}, changeLUKS2},
	{"luks2-hmac", fixture("luks2-hmac"), []string{"secret"}, changeLUKS2},
	{"integrity-crc32c", fixture("integrity-crc32c"), nil, changeStart},
	{"verity-gpt", fixture("verity-gpt"), nil, changeEnds},
	{"btrfs-raid1", fixture("btrfs-raid1"), nil, changeStart},
	{"bcache", fixture("bcache"), nil, changeStart},
	{"ldm", cases("mdbooth.libldm-ldm-2003r2-spanned-1.img", "mdbooth.libldm-ldm-2003r2-spanned-2.img"), nil, changeEnds},
	{"bitlocker", cases("fox-it.dissect.fve-suspended.bin"), nil, changeBitLocker},
}

func fixture(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string { return testvol.Unpack(t, name) }
}

// cases returns a function that unpacks images which lie beside the checkout.
func cases(names ...string) func(t *testing.T) []string {
	return func(t *testing.T) (paths []string) {
		testimg.Need(t, "xz")
		for _, name := range names {
			packed := filepath.Join("../../../shared/cases/files", name+".xz")
			if _, err := os.Stat(packed); err != nil {
				t.Skip(err)
			}
			path := filepath.Join(t.TempDir(), name)
			testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" | dd bs=64k conv=sparse status=none of="+path)
			paths = append(paths, path)
		}
		return paths
	}
}

// mutate changes a disk in the way of the sort, or cuts it.
func (s sort) mutate(rng *rand.Rand, d *patched) string {
	what := s.change(rng, d)
	if rng.IntN(8) == 0 {
		d.size = rng.Int64N(d.size) &^ 511
		what += fmt.Sprintf(", cut to %d", d.size)
	}
	return what
}

// read returns a range of a disk as it is now.
func (p *patched) read(off int64, n int) []byte {
	b := make([]byte, n)
	p.ReadAt(b, off)
	return b
}

// numbers are values that fields ought not to have.
func numbers(rng *rand.Rand) uint64 {
	values := []uint64{0, 1, 2, 0xff, 0x7fff, 0xffff, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 32, 1 << 40, 1<<55 - 1, 1 << 55, 1<<63 - 1, 1 << 63, 1<<64 - 1, rng.Uint64()}
	return values[rng.IntN(len(values))]
}

// changeBytes changes some fields of a block in which something is.
func changeBytes(rng *rand.Rand, b []byte) string {
	what := ""
	for range 1 + rng.IntN(4) {
		i := rng.IntN(len(b))
		for try := 0; try < 30 && b[i] == 0; try++ {
			i = rng.IntN(len(b))
		}
		switch rng.IntN(4) {
		case 0:
			b[i] ^= 1 << rng.IntN(8)
		case 1:
			b[i] = byte(rng.Uint32())
		case 2:
			if i &^= 3; i+4 <= len(b) {
				binary.LittleEndian.PutUint32(b[i:], uint32(numbers(rng)))
			}
		case 3:
			if i &^= 7; i+8 <= len(b) {
				binary.LittleEndian.PutUint64(b[i:], numbers(rng))
			}
		}
		what += fmt.Sprintf("%#x ", i)
	}
	return what
}

// changeStart changes what lies in the first 72 KiB.
func changeStart(rng *rand.Rand, d *patched) string {
	off := int64(0)
	for range 40 {
		off = int64(rng.IntN(144)) * 512
		if !bytes.Equal(d.read(off, 512), make([]byte, 512)) {
			break
		}
	}
	b := d.read(off, 512)
	what := changeBytes(rng, b)
	d.patches[off] = b
	return fmt.Sprintf("sector %d: %s", off/512, what)
}

// changeEnds changes what lies in the first or in the last MiB.
func changeEnds(rng *rand.Rand, d *patched) string {
	var base int64
	if rng.IntN(4) > 0 {
		base = max(0, d.size-1<<20)
	}
	off := base
	for range 400 {
		off = base + int64(rng.IntN(2048))*512
		if b := d.read(off, 512); !bytes.Equal(b, make([]byte, 512)) {
			break
		}
	}
	b := d.read(off, 512)
	what := changeBytes(rng, b)
	if string(b[:8]) == "PRIVHEAD" || string(b[:8]) == "TOCBLOCK" {
		sumLDM(b)
	}
	d.patches[off] = b
	return fmt.Sprintf("sector %d: %s", off/512, what)
}

// sumLDM sets the checksum of a block of LDM's: the sum of its other bytes.
func sumLDM(b []byte) {
	var sum uint32
	for i, c := range b {
		if i < 8 || i >= 12 {
			sum += uint32(c)
		}
	}
	binary.BigEndian.PutUint32(b[8:], sum)
}

// changeBitLocker changes one of the copies of its metadata, or all.
func changeBitLocker(rng *rand.Rand, d *patched) string {
	head := d.read(0, 512)
	if rng.IntN(4) == 0 {
		what := changeBytes(rng, head)
		d.patches[0] = head
		return "header: " + what
	}
	all, where := rng.IntN(2) == 0, rng.Uint64()
	what := ""
	for i := range 3 {
		off := int64(binary.LittleEndian.Uint64(head[176+8*i:]))
		if off <= 0 || off+4096 > d.size {
			continue
		}
		b := d.read(off, 4096)
		what = changeBytes(rand.New(rand.NewPCG(where, 0)), b[:1024])
		if n := int(binary.LittleEndian.Uint16(b[8:])) * 16; n+8 <= len(b) {
			binary.LittleEndian.PutUint32(b[n+4:], crc32.ChecksumIEEE(b[:n]))
		}
		d.patches[off] = b
		if !all {
			break
		}
	}
	return "metadata: " + what
}

// changeMD changes superblocks of version 1.2 on the partitions of a GPT.
func changeMD(rng *rand.Rand, d *patched) string {
	what := ""
	table := d.read(1024, 16384)
	for i := 0; i < 128; i++ {
		e := table[128*i : 128*i+128]
		start := int64(binary.LittleEndian.Uint64(e[32:])) * 512
		if start == 0 || start > d.size || rng.IntN(3) == 0 {
			continue
		}
		off := start + 4096
		b := d.read(off, 4096)
		if binary.LittleEndian.Uint32(b) != 0xa92b4efc {
			continue
		}
		if rng.IntN(6) == 0 {
			binary.LittleEndian.PutUint64(b[[]int{80, 128, 136, 144, 200}[rng.IntN(5)]:], numbers(rng))
		} else {
			what += changeBytes(rng, b[4:320])
		}
		sumMD(b)
		d.patches[off] = b
		what += fmt.Sprintf("in partition %d; ", i+1)
	}
	return what
}

// sumMD sets the checksum of a superblock, which may say that it is longer than it can be.
func sumMD(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[216:], 0)
	n := 256 + 2*int64(le.Uint32(b[220:]))
	if n > int64(len(b)) {
		return
	}
	var sum uint64
	i := 0
	for ; i+4 <= int(n); i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	if i < int(n) {
		sum += uint64(le.Uint16(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
}

// gptThen has change see the second partition of a disk as a disk.
func gptThen(change func(rng *rand.Rand, d *patched) string) func(*rand.Rand, *patched) string {
	return func(rng *rand.Rand, d *patched) string {
		start := int64(binary.LittleEndian.Uint64(d.read(1024+128+32, 8))) * 512
		view := &patched{f: d.f, at: start, size: d.size - start, patches: map[int64][]byte{}}
		what := change(rng, view)
		for off, b := range view.patches {
			d.patches[start+off] = b
		}
		return what
	}
}

var (
	number = regexp.MustCompile(`\b[0-9]+\b`)
	quoted = regexp.MustCompile(`"[^"]*"`)
)

// changeLVM changes the text of the first metadata area, and makes the checksums fit.
func changeLVM(rng *rand.Rand, d *patched) string {
	const area = 4096
	le := binary.LittleEndian
	head := d.read(area, 512)
	off, n := int64(le.Uint64(head[40:])), int(le.Uint64(head[48:]))
	if n <= 0 || n > 1<<20 {
		return "no text"
	}
	if rng.IntN(8) == 0 {
		what := changeBytes(rng, head[24:72])
		le.PutUint32(head, testvol.LVMChecksum(head[4:]))
		d.patches[area] = head
		return "header of the area: " + what
	}
	text := string(bytes.TrimRight(d.read(area+off, n), "\x00"))
	what := ""
	for range 1 + rng.IntN(4) {
		var said string
		text, said = changeText(rng, text)
		what += said + "; "
	}
	b := append([]byte(text), 0)
	le.PutUint64(head[48:], uint64(len(b)))
	le.PutUint32(head[56:], testvol.LVMChecksum(b))
	le.PutUint32(head, testvol.LVMChecksum(head[4:]))
	d.patches[area] = head
	d.patches[area+off] = b
	return what
}

// changeText changes one thing of a text of LVM's: a number, a word, a line, a section.
func changeText(rng *rand.Rand, text string) (string, string) {
	pick := func(re *regexp.Regexp) []int {
		all := re.FindAllStringIndex(text, -1)
		if len(all) == 0 {
			return []int{0, 0}
		}
		return all[rng.IntN(len(all))]
	}
	replace := func(at []int, by string) (string, string) {
		return text[:at[0]] + by + text[at[1]:], fmt.Sprintf("%q became %q", text[at[0]:at[1]], by)
	}
	lines := strings.SplitAfter(text, "\n")
	i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
	switch rng.IntN(10) {
	case 0, 1, 2:
		return replace(pick(number), fmt.Sprint(numbers(rng)))
	case 3:
		return replace(pick(number), "-"+fmt.Sprint(numbers(rng)>>1))
	case 4, 5: // a reference to something else, a loop, a cycle
		other := pick(quoted)
		return replace(pick(quoted), text[other[0]:other[1]])
	case 6:
		names := []string{`".."`, `"control"`, `"dm-0"`, `"sda"`, `"a/b"`, `""`, `"\x1b[31m"`, `"` + strings.Repeat("n", 300) + `"`, `"-"`}
		return replace(pick(quoted), names[rng.IntN(len(names))])
	case 7:
		lines[i], lines[j] = lines[j], lines[i]
		return strings.Join(lines, ""), fmt.Sprintf("lines %d and %d swapped", i, j)
	case 8:
		lines[i] += lines[j]
		return strings.Join(lines, ""), fmt.Sprintf("line %d after %d", j, i)
	default:
		said := fmt.Sprintf("without %q", lines[i])
		lines[i] = ""
		return strings.Join(lines, ""), said
	}
}

// changeLUKS2 changes the JSON of both headers, and makes the checksums fit.
func changeLUKS2(rng *rand.Rand, d *patched) string {
	be := binary.BigEndian
	first := d.read(0, 4096)
	size := int64(be.Uint64(first[8:]))
	if size < 16<<10 || size > 4<<20 || 2*size > d.size {
		return "no header"
	}
	json := string(bytes.TrimRight(d.read(4096, int(size)-4096), "\x00"))
	what := ""
	for range 1 + rng.IntN(3) {
		var said string
		json, said = changeJSON(rng, json)
		what += said + "; "
	}
	for _, off := range []int64{0, size} {
		b := d.read(off, int(size))
		clear(b[4096:])
		copy(b[4096:], json)
		if rng.IntN(10) == 0 {
			what += "header: " + changeBytes(rng, b[:4096])
		}
		clear(b[448:512])
		sum := sha256.Sum256(b)
		copy(b[448:], sum[:])
		d.patches[off] = b
	}
	return what
}

// changeJSON changes one thing of a header's JSON.
func changeJSON(rng *rand.Rand, text string) (string, string) {
	pick := func(re *regexp.Regexp) []int {
		all := re.FindAllStringIndex(text, -1)
		if len(all) == 0 {
			return []int{0, 0}
		}
		return all[rng.IntN(len(all))]
	}
	replace := func(at []int, by string) (string, string) {
		return text[:at[0]] + by + text[at[1]:], fmt.Sprintf("%q became %q", text[at[0]:at[1]], by)
	}
	switch rng.IntN(6) {
	case 0, 1:
		return replace(pick(number), fmt.Sprint(numbers(rng)))
	case 2:
		return replace(pick(quoted), fmt.Sprintf(`"%d"`, numbers(rng)))
	case 3:
		other := pick(quoted)
		return replace(pick(quoted), text[other[0]:other[1]])
	case 4:
		return replace(pick(number), "-"+fmt.Sprint(numbers(rng)>>1))
	default:
		i := rng.IntN(len(text))
		j := min(len(text), i+1+rng.IntN(40))
		return replace([]int{i, j}, strings.Repeat("[", rng.IntN(2000)*rng.IntN(2)))
	}
}
