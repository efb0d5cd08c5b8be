package ldm

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/unboot/unboot/volume"
)

// FuzzDatabase reads databases of which the records are the input, in places of 128 bytes.
func FuzzDatabase(f *testing.F) {
	for _, db := range []*testDB{small(mirror()...), small(
		volumeRecord(0, 4, "Raid1", 1, 512, true), componentRecord(0, 5, 4, 3, LayoutRAID5, 128, 3),
		partitionRecord(0, 6, 5, 1, 0, 0, 256, 0), partitionRecord(0, 7, 5, 2, 0, 0, 256, 1), partitionRecord(0, 8, 5, 3, 0, 0, 256, 2),
		volumeRecord(0, 14, "Stripe1", 1, 512, false), componentRecord(0, 15, 14, 3, LayoutStriped, 128, 2), partitionRecord(0, 16, 15, 1, 300, 0, 128, 0),
		partitionRecord(0, 17, 15, 1, 500, 128, 128, 0), partitionRecord(0, 18, 15, 2, 300, 0, 256, 1))} {
		b := make([]byte, 1481*512)
		db.write(b)
		binary.BigEndian.PutUint32(b[4:], 4+64) // how many there are: a full database takes long
		f.Add(b[:512+64*128])
	}
	members := small().disks(f, 3)
	const config = testDisk - 1<<20 + 17*512
	f.Fuzz(func(t *testing.T, data []byte) {
		changed := make([]*volume.Member, len(members))
		for i, m := range members {
			b := append([]byte(nil), data[:min(len(data), 1<<16)]...)
			d := *m
			d.R = overlay{m.R, b, config}
			changed[i] = &d
		}
		list := plan(changed)
		for i := range list {
			checkPlan(t, list[:i], list[i])
		}
	})
}

// FuzzHeader reads the header and the table of contents from the input.
func FuzzHeader(f *testing.F) {
	m := small(mirror()...).disk(f, 1)
	b, _ := bytesOf(m)
	f.Add(b[6*512:][:512], b[testDisk-1<<20+512:][:512], int64(testDisk))
	f.Fuzz(func(t *testing.T, head, toc []byte, size int64) {
		if len(head) < 512 || len(toc) < 512 || size < 0 {
			return
		}
		seal(head)
		seal(toc)
		d := *m
		d.Problems, d.Size = nil, min(size, testDisk)
		start, _ := scale(binary.BigEndian.Uint64(head[0x12b:]), 512)
		d.R = overlay{overlay{bytes.NewReader(b), head[:512], 6 * 512}, toc[:512], start + 512}
		list := plan([]*volume.Member{&d})
		for i := range list {
			checkPlan(t, list[:i], list[i])
		}
	})
}

// An overlay is a reader with other bytes in one place.
type overlay struct {
	r interface {
		ReadAt([]byte, int64) (int, error)
	}
	b   []byte
	off int64
}

func (o overlay) ReadAt(b []byte, off int64) (int, error) {
	n, err := o.r.ReadAt(b, off)
	if d := o.off - off; d >= 0 && d < int64(n) {
		copy(b[d:n], o.b)
	} else if d < 0 && -d < int64(len(o.b)) {
		copy(b[:n], o.b[-d:])
	}
	return n, err
}
