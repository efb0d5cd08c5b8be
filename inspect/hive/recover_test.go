package hive

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// Microsoft's test vectors.
func TestMarvin32(t *testing.T) {
	for data, want := range map[string]uint64{
		"":                 0x30ed35c100cd3c7d,
		"\xaf":             0x48e73fc77d75ddc1,
		"\xe7\x0f":         0xb5f6e1fc485dbff8,
		"\x37\xf4\x95":     0xf0b07c789b8cf7e8,
		"\x86\x42\xdc\x59": 0x7008f2e87e9cf556,
	} {
		if got := marvin32(0x004fb61a001bdbcc, []byte(data)); got != want {
			t.Errorf("%x: %#x, want %#x", data, got, want)
		}
	}
}

// logBase makes the first sector of a log.
func logBase(state []byte, kind, sequence uint32) []byte {
	b := bytes.Clone(state[:logSector])
	le.PutUint32(b[hdrFileType:], kind)
	le.PutUint32(b[hdrSequence1:], sequence)
	le.PutUint32(b[hdrSequence2:], sequence)
	le.PutUint32(b[hdrChecksum:], checksum(b))
	return b
}

// sign sets the hashes of a new log's entry.
func sign(e []byte) []byte {
	le.PutUint64(e[24:], marvin32(marvinSeed, e[40:]))
	le.PutUint64(e[32:], marvin32(marvinSeed, e[:32]))
	return e
}

// dirtyPages returns the pages of 512 bytes in which two states differ.
func dirtyPages(before, after []byte) (pages []int) {
	for off := headerSize; off < len(after); off += logSector {
		if off >= len(before) || !bytes.Equal(before[off:off+logSector], after[off:off+logSector]) {
			pages = append(pages, off)
		}
	}
	return pages
}

func logEntryOf(before, after []byte, sequence uint32) []byte {
	e := make([]byte, 40)
	copy(e, "HvLE")
	var data []byte
	pages := dirtyPages(before, after)
	for _, off := range pages {
		e = le.AppendUint32(e, uint32(off-headerSize))
		e = le.AppendUint32(e, logSector)
		data = append(data, after[off:off+logSector]...)
	}
	e = append(e, data...)
	e = append(e, make([]byte, (logSector-len(e)%logSector)%logSector)...)
	le.PutUint32(e[4:], uint32(len(e)))
	le.PutUint32(e[12:], sequence)
	le.PutUint32(e[16:], uint32(len(after)-headerSize))
	le.PutUint32(e[20:], uint32(len(pages)))
	return sign(e)
}

func oldLogOf(before, after []byte) []byte {
	log := logBase(after, logOld, 99)
	copy(log[hdrTime:], before[hdrTime:hdrTime+8])
	le.PutUint32(log[hdrChecksum:], checksum(log))
	vector := make([]byte, (len(after)-headerSize)/logSector/8)
	log = append(append(log, "DIRT"...), vector...)
	log = append(log, make([]byte, (logSector-len(log)%logSector)%logSector)...)
	for _, off := range dirtyPages(before, after) {
		i := (off - headerSize) / logSector
		log[logSector+4+i/8] |= 1 << (i % 8)
		log = append(log, after[off:off+logSector]...)
	}
	return log
}

// states returns a hive as it was after each of some batches of edits.
func states(t testing.TB, n int) (list [][]byte) {
	h := New()
	now := time.Unix(1e9, 0)
	h.Now = func() time.Time { now = now.Add(time.Second); return now }
	for i := range n {
		k, err := h.Lookup()
		if err != nil {
			t.Fatal(err)
		}
		for j := range 20 {
			id, err := h.AddChild(k.ID(), fmt.Sprint("batch ", i, " key ", j))
			if err == nil {
				err = h.SetValue(id, Value{"v", String, StringData(fmt.Sprint(i, j))})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		b, err := h.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// makeDirty has the hive say that it was not written to its end.
func makeDirty(state []byte, sequence uint32) []byte {
	b := bytes.Clone(state)
	le.PutUint32(b[hdrSequence1:], sequence+1)
	le.PutUint32(b[hdrSequence2:], sequence)
	le.PutUint32(b[hdrChecksum:], checksum(b))
	return b
}

func TestRecover(t *testing.T) {
	s := states(t, 6)
	entry := func(i int) []byte { return logEntryOf(s[i-1], s[i], uint32(10+i)) }
	// Entry i, of sequence number 10+i, leads from state i-1 to state i.
	log := func(from int, entries ...[]byte) []byte {
		return append(logBase(s[from-1], logNew, uint32(10+from)), bytes.Join(entries, nil)...)
	}
	spoil := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	half := func(b, later []byte) []byte { // some pages came to the disk
		b = bytes.Clone(b)
		copy(b[headerSize+1024:], later[headerSize+1024:headerSize+3072])
		return b
	}
	zeroed := bytes.Clone(s[0])
	clear(zeroed[:headerSize])
	dirty := makeDirty(s[0], 11)
	for name, c := range map[string]struct {
		primary []byte
		logs    [][]byte
		state   int // that the hive has then
		applied int
	}{
		"clean":                    {s[0], [][]byte{log(1, entry(1))}, 0, 0},
		"no logs":                  {dirty, nil, 0, 0},
		"empty logs":               {dirty, [][]byte{nil, make([]byte, 4096)}, 0, 0},
		"one entry":                {dirty, [][]byte{log(1, entry(1))}, 1, 1},
		"half written":             {half(dirty, s[1]), [][]byte{log(1, entry(1))}, 1, 1},
		"two logs":                 {dirty, [][]byte{log(1, entry(1), entry(2)), log(3, entry(3))}, 3, 3},
		"two logs, other order":    {dirty, [][]byte{log(3, entry(3), entry(4), entry(5)), log(1, entry(1), entry(2))}, 5, 5},
		"old entries behind":       {dirty, [][]byte{log(1, entry(1), entry(2), entry(1))}, 2, 2},
		"a gap":                    {dirty, [][]byte{log(1, entry(1)), log(3, entry(3))}, 1, 1},
		"a damaged entry":          {dirty, [][]byte{log(1, entry(1), spoil(entry(2), 600), entry(3))}, 1, 1},
		"a damaged entry's header": {dirty, [][]byte{log(1, entry(1), spoil(entry(2), 16))}, 1, 1},
		"a damaged log":            {dirty, [][]byte{spoil(log(1, entry(1)), hdrTime)}, 0, 0},
		"a cut entry":              {dirty, [][]byte{log(1, entry(1), entry(2)[:1024])}, 1, 1},
		"an older log":             {makeDirty(s[2], 13), [][]byte{log(1, entry(1), entry(2)), log(3, entry(3), entry(4))}, 4, 2},
		"no header":                {zeroed, [][]byte{log(1, entry(1), entry(2))}, 2, 2},
		"old format":               {dirty, [][]byte{oldLogOf(s[0], s[3])}, 3, 1},
		"old format, second":       {half(dirty, s[3]), [][]byte{oldLogOf(s[1], s[2]), oldLogOf(s[0], s[3])}, 3, 1},
		"old format, no header":    {zeroed, [][]byte{oldLogOf(s[0], s[3])}, 3, 1},
		"old format, cut":          {dirty, [][]byte{oldLogOf(s[0], s[3])[:5000]}, 0, 0},
		"old format, of another":   {dirty, [][]byte{oldLogOf(s[1], s[3])}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			data, applied, err := Recover(c.primary, c.logs...)
			if err != nil || applied != c.applied {
				t.Fatalf("%d changes, %v; want %d", applied, err, c.applied)
			}
			if applied == 0 {
				if !bytes.Equal(data, c.primary) {
					t.Error("nothing is applied, and the hive changes")
				}
				return
			}
			want := s[c.state]
			if !bytes.Equal(data[headerSize:], want[headerSize:]) {
				t.Error("another state of the bins")
			}
			compare(t, "recovered", mustDump(t, checkWhole(t, data)), mustDump(t, checkWhole(t, want)))
		})
	}
	if _, _, err := Recover(nil); err == nil {
		t.Error("no hive at all is recovered")
	}
}

func FuzzRecover(f *testing.F) {
	s := states(f, 2)
	dirty := makeDirty(s[0], 11)
	base := logBase(s[0], logNew, 11)
	f.Add(logEntryOf(s[0], s[1], 11)[:2048], false)
	f.Add(oldLogOf(s[0], s[1])[logSector:], true)
	f.Fuzz(func(t *testing.T, body []byte, old bool) {
		log := append(bytes.Clone(base), body...)
		if old {
			log = append(oldLogOf(s[0], s[1])[:logSector:logSector], body...)
		} else if len(body) >= 40 {
			// Hashes that fit let it come further.
			e := log[logSector:]
			if n := le.Uint32(e[4:]); n >= 40 && int64(n) <= int64(len(e)) {
				e = e[:n]
			}
			le.PutUint32(e[16:], le.Uint32(e[16:])%(1<<20))
			sign(e)
		}
		data, _, err := Recover(dirty, log)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := Parse(data, 0); err == nil {
			walk(h)
		}
	})
}
