package ldm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// A testDB is a database to be written. Records are as the functions below return them.
type testDB struct {
	group               string // the last digit of the GUID
	name                string
	status              uint16
	committed, pending  uint64
	nCommitted, nChange counts
	records             [][]byte
}

const (
	testDisk  = 8 << 20  // the size of a disk, in bytes
	testStart = 63 * 512 // where the data begins
)

func testGUID(kind, n any) string { return fmt.Sprintf("00000000-0000-4000-8000-%011v%v", kind, n) }

func num(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, n)
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return append([]byte{byte(len(b))}, b...)
}

func str(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// record puts the head before the fields of a record.
func record(status uint16, typ, flags byte, fields ...[]byte) []byte {
	body := bytes.Join(fields, nil)
	b := binary.BigEndian.AppendUint16(nil, status)
	b = append(b, flags, typ)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

func groupRecord(name string) []byte {
	return record(0, 0x35, 0, num(1), str(name), str(testGUID("0", 1)), make([]byte, 12))
}

func diskRecord(id int, name string) []byte {
	return record(0, 0x34, 0, num(uint64(id)), str(name), str(testGUID("d", id)), str(""), make([]byte, 12))
}

func volumeRecord(status uint16, id int, name string, components int, size uint64, raid5 bool) []byte {
	kind, typ := "gen", byte(3)
	if raid5 {
		kind, typ = "raid5", 4
	}
	state := make([]byte, 14)
	copy(state, "ACTIVE")
	guid := make([]byte, 16)
	guid[15] = byte(id)
	return record(status, 0x51, 2, num(uint64(id)), str(name), str(kind), str(""), state, []byte{typ}, num(5),
		make([]byte, 4), num(uint64(components)), make([]byte, 16), num(size), make([]byte, 4), []byte{7}, guid, str("E:"))
}

func componentRecord(status uint16, id, parent, parts int, layout Layout, chunk, columns uint64) []byte {
	flags, tail := byte(0), []byte(nil)
	if chunk > 0 {
		flags, tail = 0x10, append(num(chunk), num(columns)...)
	}
	return record(status, 0x32, flags, num(uint64(id)), str(fmt.Sprintf("comp%d", id)), str("ACTIVE"), []byte{byte(layout)},
		make([]byte, 4), num(uint64(parts)), make([]byte, 16), num(uint64(parent)), []byte{0}, tail)
}

// partitionRecord takes sizes in sectors.
func partitionRecord(status uint16, id, parent, disk int, start, offset, size, column uint64) []byte {
	return partitionRecordFlags(status, 0, id, parent, disk, start, offset, size, column)
}

func partitionRecordFlags(status uint16, state uint32, id, parent, disk int, start, offset, size, column uint64) []byte {
	return record(status, 0x33, 8, num(uint64(id)), str(fmt.Sprintf("Disk%d-%02d", disk, id)),
		binary.BigEndian.AppendUint32(nil, state), make([]byte, 8), binary.BigEndian.AppendUint64(nil, start),
		binary.BigEndian.AppendUint64(nil, offset), num(size), num(uint64(parent)), num(uint64(disk)), num(column))
}

// seal sets the checksum of a block.
func seal(b []byte) { binary.BigEndian.PutUint32(b[8:], checksum(b)) }

// disk returns a disk with an MBR and the database. Its data differ from sector to sector.
func (db *testDB) disk(t testing.TB, id int) *volume.Member {
	t.Helper()
	b := make([]byte, testDisk)
	for i := testStart; i < testDisk-1<<20; i++ {
		b[i] = byte(id*31) ^ byte(i/512*7) ^ byte(i/512>>8)
	}
	b[446+4], b[510], b[511] = 0x42, 0x55, 0xaa
	binary.LittleEndian.PutUint32(b[446+8:], 63)
	binary.LittleEndian.PutUint32(b[446+12:], testDisk/512-63)
	const dbStart = testDisk/512 - 2048
	head := make([]byte, 512)
	copy(head, "PRIVHEAD")
	binary.BigEndian.PutUint32(head[12:], 2<<16|11)
	binary.BigEndian.PutUint64(head[0x18:], 1)
	copy(head[0x30:], testGUID("d", id))
	copy(head[0xb0:], testGUID("0", db.group))
	copy(head[0xf0:], db.name)
	binary.BigEndian.PutUint32(head[0x10f:], 512)
	for i, n := range []uint64{testStart / 512, dbStart - 63, dbStart, 2048, 1, 2046} {
		binary.BigEndian.PutUint64(head[0x11b+8*i:], n)
	}
	seal(head)
	for _, s := range []int{6, dbStart + 1856, dbStart + 2047} {
		copy(b[s*512:], head)
	}
	toc := make([]byte, 512)
	copy(toc, "TOCBLOCK")
	binary.BigEndian.PutUint64(toc[12:], 1)
	for i, r := range []struct {
		name        string
		start, size uint64
	}{{"config", 17, 1481}, {"log", 1498, 224}} {
		e := toc[0x24+34*i:]
		copy(e, r.name)
		binary.BigEndian.PutUint64(e[10:], r.start)
		binary.BigEndian.PutUint64(e[18:], r.size)
	}
	seal(toc)
	for _, s := range []int{1, 2, 2045, 2046} {
		copy(b[(dbStart+s)*512:], toc)
	}
	db.write(b[(dbStart+17)*512:][:1481*512])
	return &volume.Member{R: bytes.NewReader(b), Size: testDisk, SectorSize: 512, Name: fmt.Sprintf("/dev/sd%c", 'a'+id-1),
		Disk: true, Info: &probe.Info{Type: "ldm_member"}}
}

// write writes the head and the records.
func (db *testDB) write(b []byte) {
	copy(b, "VMDB")
	binary.BigEndian.PutUint32(b[4:], 5924)
	binary.BigEndian.PutUint32(b[8:], 128)
	binary.BigEndian.PutUint32(b[12:], 512)
	binary.BigEndian.PutUint16(b[16:], max(db.status, clean))
	binary.BigEndian.PutUint32(b[18:], 4<<16|10)
	copy(b[0x16:0x35], db.name)
	copy(b[0x35:], testGUID("0", db.group))
	binary.BigEndian.PutUint64(b[0x75:], db.committed)
	binary.BigEndian.PutUint64(b[0x7d:], max(db.pending, db.committed))
	if db.nCommitted == (counts{}) {
		for _, r := range db.records {
			if typ := r[3] & 15; typ >= 1 && typ <= 4 && be.Uint16(r) == 0 {
				db.nCommitted[typ-1]++
			}
		}
		db.nChange = db.nCommitted
	}
	for i := range db.nCommitted {
		binary.BigEndian.PutUint32(b[0x85+4*i:], db.nCommitted[i])
		binary.BigEndian.PutUint32(b[0xa1+4*i:], db.nChange[i])
	}
	place := 512
	put := func(id, index, total int, data []byte) {
		e := b[place:][:128]
		copy(e, "VBLK")
		binary.BigEndian.PutUint32(e[4:], uint32(place/128))
		binary.BigEndian.PutUint32(e[8:], uint32(id))
		binary.BigEndian.PutUint16(e[12:], uint16(index))
		binary.BigEndian.PutUint16(e[14:], uint16(total))
		copy(e[16:], data)
		place += 128
	}
	for i, r := range db.records {
		total := (len(r) + 111) / 112
		for j := range total {
			put(i+1, j, total, r[112*j:min(112*j+112, len(r))])
		}
	}
	for place < len(b) {
		put(0, 0, 0, nil)
	}
}

// file writes a disk to a file, for the tools.
func file(t *testing.T, m *volume.Member) {
	b := make([]byte, m.Size)
	m.R.ReadAt(b, 0)
	m.Name = filepath.Join(t.TempDir(), filepath.Base(m.Name)+".img")
	if err := os.WriteFile(m.Name, b, 0o666); err != nil {
		t.Fatal(err)
	}
}
