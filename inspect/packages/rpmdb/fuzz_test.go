package rpmdb

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// header returns a header with a name and an epoch.
func header() []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32(nil, 3), 12)
	for _, n := range []uint32{63, 7, 0, 16, TagName, typeString, 4, 1, TagEpoch, typeInt32, 0, 1} {
		b = be.AppendUint32(b, n)
	}
	return append(b, 0, 0, 0, 7, 'b', 'a', 's', 'h', 0, 0, 0, 0)
}

func TestHeader(t *testing.T) {
	h, err := ParseHeader(header())
	if err != nil {
		t.Fatal(err)
	}
	epoch, ok := h.Int(TagEpoch)
	if h.String(TagName) != "bash" || epoch != 7 || !ok {
		t.Errorf("%q %d", h.String(TagName), epoch)
	}
	if _, ok := h.Int(TagName); ok || h.String(TagEpoch) != "" || h.String(TagURL) != "" {
		t.Error("a tag has the value of another type")
	}
	for n := range len(header()) {
		if _, err := ParseHeader(header()[:n]); err == nil {
			t.Errorf("%d bytes of a header are one", n)
		}
	}
	// A string without an end, an offset behind the data.
	open := header()
	copy(open[len(open)-4:], "xxxx")
	if h, err = ParseHeader(open); err != nil || h.String(TagName) != "" {
		t.Errorf("%q, %v", h.String(TagName), err)
	}
	behind := header()
	behind[8+indexEntry+8] = 0xff
	if h, err = ParseHeader(behind); err != nil || h.String(TagName) != "" {
		t.Errorf("%q, %v", h.String(TagName), err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(header())
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHeader(data)
		if err != nil {
			return
		}
		for tag := uint32(1000); tag < 1050; tag++ {
			h.String(tag)
			h.Int(tag)
		}
	})
}

// drain reads a database and checks that it has no more in it than its size.
func drain(t *testing.T, data, log []byte) (count int) {
	db := DB{R: bytes.NewReader(data), Size: int64(len(data))}
	if len(log) > 0 {
		db.Log, db.LogSize = bytes.NewReader(log), int64(len(log))
	}
	total := 0
	for blob, err := range db.Headers() {
		if err != nil {
			continue
		}
		count++
		if total += len(blob); total > len(data)+len(log) {
			t.Fatalf("%d bytes from %d", total, len(data)+len(log))
		}
		if h, err := ParseHeader(blob); err == nil {
			h.String(TagName)
		}
	}
	return count
}

// bdbSample is a hash with one small header, and one in a chain of pages.
func bdbSample(order binary.ByteOrder) []byte {
	const page = 512
	b := make([]byte, 4*page)
	put := func(off int, n uint32) { order.PutUint32(b[off:], n) }
	put(12, bdbMagic)
	put(20, page)
	b[25] = bdbHashMeta
	put(32, 3)
	p := b[page:]
	p[25] = bdbHash
	order.PutUint16(p[20:], 4)
	end := page
	item := func(i int, data []byte) {
		end -= len(data)
		copy(p[end:], data)
		order.PutUint16(p[bdbPageHead+2*i:], uint16(end))
	}
	key := func(n uint32) []byte {
		k := make([]byte, 5)
		k[0] = bdbItem
		order.PutUint32(k[1:], n)
		return k
	}
	item(0, key(1))
	item(1, append([]byte{bdbItem}, header()...))
	item(2, key(2))
	off := make([]byte, bdbOffLength)
	off[0] = bdbItemOff
	order.PutUint32(off[4:], 2)
	order.PutUint32(off[8:], uint32(len(header())))
	item(3, off)
	for i, part := range [][]byte{header()[:40], header()[40:]} {
		p := b[(2+i)*page:]
		p[25] = bdbOverflow
		order.PutUint16(p[22:], uint16(len(part)))
		if i == 0 {
			order.PutUint32(p[16:], 3)
		}
		copy(p[bdbPageHead:], part)
	}
	return b
}

// ndbSample has one package, and one slot that is free.
func ndbSample() []byte {
	b := make([]byte, ndbPage+128)
	le := binary.LittleEndian
	le.PutUint32(b, ndbMagic)
	le.PutUint32(b[12:], 1)
	for off := ndbHeader; off < ndbPage; off += ndbSlotSize {
		le.PutUint32(b[off:], ndbSlot)
	}
	for i, n := range []uint32{1, ndbPage / ndbUnit, 8} {
		le.PutUint32(b[ndbHeader+16+4+4*i:], n)
	}
	le.PutUint32(b[ndbPage:], ndbBlob)
	le.PutUint32(b[ndbPage+4:], 1)
	le.PutUint32(b[ndbPage+12:], uint32(len(header())))
	copy(b[ndbPage+16:], header())
	return b
}

// sqliteSample has a table in an interior page and a leaf.
func sqliteSample() []byte {
	const page = 512
	b := make([]byte, 3*page)
	be := binary.BigEndian
	copy(b, sqliteMagic)
	be.PutUint16(b[16:], page)
	b[18] = 2
	leaf := func(p, head []byte, cell []byte) {
		head[0] = sqliteLeaf
		be.PutUint16(head[3:], 1)
		at := page - len(cell)
		be.PutUint16(head[8:], uint16(at))
		copy(p[at:], cell)
	}
	text := func(s string) byte { return byte(13 + 2*len(s)) }
	schema := append([]byte{6, text("table"), text("Packages"), text("Packages"), 1, text("")}, "tablePackagesPackages\x02"...)
	leaf(b, b[sqliteHead:], append([]byte{byte(len(schema)), 1}, schema...))
	p := b[page:]
	p[0] = sqliteInterior
	be.PutUint32(p[8:], 3)
	blob := append([]byte{4, 0, 0x81, byte(12+2*len(header())) & 0x7f}, header()...)
	leaf(b[2*page:], b[2*page:], append([]byte{byte(len(blob)), 1}, blob...))
	return b
}

func TestSamples(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		"bdb, little endian": {bdbSample(binary.LittleEndian), 2},
		"bdb, big endian":    {bdbSample(binary.BigEndian), 2},
		"ndb":                {ndbSample(), 1},
		"sqlite":             {sqliteSample(), 1},
		"nothing":            {nil, 0},
	} {
		if n := drain(t, c.data, nil); n != c.want {
			t.Errorf("%s: %d headers", name, n)
		}
	}
}

// Pages that lead back to themselves.
func TestCircles(t *testing.T) {
	const page = 512
	bdb := bdbSample(binary.LittleEndian)
	binary.LittleEndian.PutUint32(bdb[2*page+16:], 2)                                // a chain to its first page
	binary.LittleEndian.PutUint32(bdb[page+page-5-1-len(header())-5-4:], 0x7fffffff) // which goes on for 2 GiB
	drain(t, bdb, nil)
	sqlite := sqliteSample()
	binary.BigEndian.PutUint32(sqlite[page+8:], 2) // a tree in itself
	if n := drain(t, sqlite, nil); n != 0 {
		t.Errorf("%d headers", n)
	}
}

func FuzzBDB(f *testing.F) {
	f.Add(bdbSample(binary.LittleEndian))
	f.Add(bdbSample(binary.BigEndian))
	f.Fuzz(func(t *testing.T, data []byte) { drain(t, data, nil) })
}

func FuzzNDB(f *testing.F) {
	f.Add(ndbSample())
	f.Fuzz(func(t *testing.T, data []byte) { drain(t, data, nil) })
}

func FuzzSQLite(f *testing.F) {
	f.Add(sqliteSample(), []byte{})
	f.Add(sqliteSample(), walSample())
	f.Fuzz(func(t *testing.T, data, log []byte) { drain(t, data, log) })
}

// walSample is a log of one transaction, which rewrites page 3 as it is.
func walSample() []byte {
	const page = 512
	be := binary.BigEndian
	b := make([]byte, walHead+walFrame+page)
	for i, n := range []uint32{walMagic + 1, 3007000, page, 0, 11, 22} {
		be.PutUint32(b[4*i:], n)
	}
	sum := walSum{order: be}
	sum.add(b[:24])
	be.PutUint32(b[24:], sum.a)
	be.PutUint32(b[28:], sum.b)
	fr := b[walHead:]
	be.PutUint32(fr, 3)
	be.PutUint32(fr[4:], 3)
	copy(fr[8:16], b[16:24])
	copy(fr[walFrame:], sqliteSample()[2*page:])
	sum.add(fr[:8])
	sum.add(fr[walFrame:])
	be.PutUint32(fr[16:], sum.a)
	be.PutUint32(fr[20:], sum.b)
	return b
}

// A page in the log covers that in the file; a log with a wrong sum does not.
func TestLog(t *testing.T) {
	broken := sqliteSample()
	clear(broken[1024:])
	log := walSample()
	if n := drain(t, broken, log); n != 1 {
		t.Errorf("%d headers with the log", n)
	}
	log[len(log)-1] ^= 1
	if n := drain(t, broken, log); n != 0 {
		t.Errorf("%d headers with a broken log", n)
	}
}
