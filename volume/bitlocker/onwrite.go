package bitlocker

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/unboot/unboot/volume"
)

// The layout of what follows is in no document. It is what dissect.fve reads, an open
// library for forensics: a header that names regions, each with two copies of a bitmap, in
// which a bit stands for a chunk that is encrypted.

// bitmapMax bounds the bytes of all bitmaps together: 1 TiB in chunks of 64 KiB has 2 MiB.
const bitmapMax = 32 << 20

// onWrite says which chunks of a volume are encrypted.
type onWrite struct {
	chunk    int64 // in bytes
	regions  []region
	reserved []run // where the bitmaps lie, and what else is not the volume's
}

type region struct {
	start, length int64 // in bytes
	bits          []byte
}

// readOnWrite reads the first of the headers that is whole.
func readOnWrite(m *volume.Member, offsets []int64) (*onWrite, error) {
	var first error
	for _, off := range offsets {
		w, err := readOnWriteAt(m, off)
		if err == nil {
			return w, nil
		}
		first = cmp.Or(first, fmt.Errorf("what says which chunks are encrypted, at %d: %w", off, err))
	}
	return nil, first
}

func readOnWriteAt(m *volume.Member, off int64) (*onWrite, error) {
	room := int64(bitmapMax)
	b, err := readChecked(m, off, "FVE-EOW\x00", 36, &room, func(head []byte) int64 { return int64(le16(head[10:])) })
	if err != nil {
		return nil, err
	}
	w := &onWrite{chunk: int64(le32(b[20:]))}
	sector, log := int64(le32(b[12:])), int64(le32(b[24:]))
	head := int(le16(b[8:]))
	if head < 56 || head > len(b) || w.chunk < volume.SectorSize || w.chunk%volume.SectorSize != 0 ||
		sector < volume.SectorSize || sector > 4096 {
		return nil, errDamaged
	}
	reserve := func(off, n int64) {
		// The room of all that is kept beside the volume is rounded up to whole sectors.
		w.reserved = append(w.reserved, run{start: off, length: (n + sector - 1) / sector * sector})
	}
	for i := range 2 {
		if copyAt := int64(le64(b[40+8*i:])); copyAt > 0 && copyAt < m.Size {
			reserve(copyAt, int64(len(b)))
		}
	}
	for list := b[head:]; len(list) >= 8; list = list[8:] {
		r, size, logAt, err := readRegion(m, int64(le64(list)), w.chunk, &room)
		if err != nil {
			return nil, err
		}
		reserve(int64(le64(list)), size)
		if logAt > 0 && logAt < m.Size {
			reserve(logAt, log)
		}
		w.regions = append(w.regions, r)
	}
	slices.SortFunc(w.regions, func(a, b region) int { return cmp.Compare(a.start, b.start) })
	return w, nil
}

// readRegion reads the bitmap of a region, from the newer of its two records. It returns how
// much room the bitmap has, and where the log of chunks in conversion is.
func readRegion(m *volume.Member, off, chunk int64, room *int64) (r region, size, log int64, err error) {
	b, err := readChecked(m, off, "FVE-EOWBM\x00", 56, room, func(head []byte) int64 { return int64(le32(head[44:])) })
	if err != nil {
		return r, 0, 0, err
	}
	size, log = int64(le32(b[12:])), int64(le64(b[36:]))
	start, length := le64(b[20:]), le64(b[28:])
	if start > 1<<61 || length > 1<<61 || size > m.Size-off {
		return r, 0, 0, errDamaged
	}
	r.start, r.length = int64(start), int64(length)
	first := errDamaged
	var newest uint64
	for i := range 2 {
		at := int64(le32(b[44+4*i:]))
		rec, err := readChecked(m, off+at, "FVE-EOWBR\x00", 32, room, func(head []byte) int64 { return int64(le32(head[12:])) })
		if err != nil {
			first = err
			continue
		}
		head, bits := int64(le16(rec[10:])), int64(le32(rec[16:]))
		if head < 36 || head > int64(len(rec)) || (bits+7)/8 > int64(len(rec))-head || r.length > bits*chunk {
			first = errDamaged
			continue
		}
		if seq := le64(rec[20:]); r.bits == nil || seq > newest {
			newest, r.bits = seq, rec[head:]
		}
	}
	if r.bits == nil {
		return r, 0, 0, first
	}
	return r, size, log, nil
}

// readChecked reads a structure that has a signature and, at sum, a checksum. Its length is
// in its first 60 bytes, and taken from the room that there is for all of them.
func readChecked(m *volume.Member, off int64, signature string, sum int, room *int64, length func([]byte) int64) ([]byte, error) {
	head := make([]byte, 60)
	if err := m.ReadFull(head, off); err != nil {
		return nil, err
	}
	if string(head[:len(signature)]) != signature {
		return nil, errors.New("it has no signature")
	}
	n := length(head)
	if n < int64(sum+4) || n > *room || n > m.Size-off {
		return nil, errDamaged
	}
	*room -= n
	b := make([]byte, n)
	if err := m.ReadFull(b, off); err != nil {
		return nil, err
	}
	want := le32(b[sum:])
	clear(b[sum : sum+4])
	if crc32.ChecksumIEEE(b) != want {
		return nil, errors.New("its checksum is wrong")
	}
	return b, nil
}

// runs returns which parts of the device between two offsets are encrypted. What no region
// covers is plain.
func (w *onWrite) runs(start, end int64) ([]run, error) {
	var list []run
	add := func(to int64, k kind) {
		if to = min(to, end); to <= start {
			return
		}
		if n := len(list); n > 0 && list[n-1].kind == k {
			list[n-1].length += to - start
		} else {
			list = append(list, run{start: start, length: to - start, from: start, kind: k})
		}
		start = to
	}
	for _, r := range w.regions {
		if start < r.start {
			add(r.start, isPlain)
		}
		if start < r.start || start >= r.start+r.length {
			continue
		}
		for i := (start - r.start) / w.chunk; start < end && start < r.start+r.length; i++ {
			k := isPlain
			if r.bits[i/8]>>(i%8)&1 != 0 {
				k = isCipher
			}
			add(min(r.start+(i+1)*w.chunk, r.start+r.length), k)
			if len(list) > runsMax {
				return nil, fmt.Errorf("it is encrypted in more than %d pieces", runsMax)
			}
		}
	}
	add(end, isPlain)
	return list, nil
}
