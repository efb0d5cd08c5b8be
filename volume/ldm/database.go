package ldm

import (
	"fmt"

	"github.com/unboot/unboot/volume"
)

// maxDatabase bounds what is read of a database. Windows makes it 1 MiB large.
const maxDatabase = 16 << 20

// A database is the head of a group's database (VMDB) as one disk has it.
type database struct {
	off, size           int64 // of the region with the records, on the disk, in bytes
	first, record       int64 // where the records begin in it, and the size of each
	count               int64 // of the places for records, those that the head takes included
	status              uint16
	name                string
	committed, pending  uint64
	nCommitted, nChange counts
}

// counts are how many volumes, components, partitions and disks there are.
type counts [4]uint32

// The states of a database. A transaction first adds its records as pending, and marks those
// that they replace; then it commits.
const (
	clean  = 1
	commit = 3 // the transaction is complete, and the old records are yet to go
)

// readDatabase reads the head of the database that a disk has.
func readDatabase(m *volume.Member, h *header) (*database, error) {
	if h.dbStart+h.db > m.Size || h.db < 4*block {
		return nil, fmt.Errorf("its database lies at %d to %d, and the disk has %d bytes", h.dbStart, h.dbStart+h.db, m.Size)
	}
	start, size, err := readTOC(m, h)
	if err != nil {
		return nil, err
	}
	b := make([]byte, block)
	if m.ReadFull(b, h.dbStart+start) != nil || string(b[:4]) != "VMDB" {
		return nil, fmt.Errorf("no head of a database (VMDB) is where its table of contents says")
	}
	if major, minor := be.Uint16(b[0x12:]), be.Uint16(b[0x14:]); major != 4 || minor != 10 && minor != 12 {
		return nil, fmt.Errorf("its database has the version %d.%d, which is not known", major, minor)
	}
	db := &database{
		off:       h.dbStart + start,
		size:      size,
		count:     int64(be.Uint32(b[4:])),
		record:    int64(be.Uint32(b[8:])),
		first:     int64(be.Uint32(b[12:])),
		status:    be.Uint16(b[16:]),
		name:      cstring(b[0x16:0x35]),
		committed: be.Uint64(b[0x75:]),
		pending:   be.Uint64(b[0x7d:]),
	}
	for i := range db.nCommitted {
		db.nCommitted[i] = be.Uint32(b[0x85+4*i:])
		db.nChange[i] = be.Uint32(b[0xa1+4*i:])
	}
	if db.record < 64 || db.record > 4096 || db.first < 256 || db.first > db.size {
		return nil, fmt.Errorf("its database has records of %d bytes from offset %d on", db.record, db.first)
	}
	return db, nil
}

// readTOC returns where the database is among the regions that the disk's newest table of
// contents (TOCBLOCK) lists, from the start of them all.
func readTOC(m *volume.Member, h *header) (start, size int64, err error) {
	sectors := h.db / h.sector
	found, newest, best := false, uint64(0), false
	b := make([]byte, block)
	for _, off := range []int64{h.tocs[0], h.tocs[1], h.sector, 2 * h.sector, (sectors - 3) * h.sector, (sectors - 2) * h.sector} {
		if off < 0 || off > h.db-block || m.ReadFull(b, h.dbStart+off) != nil || string(b[:8]) != "TOCBLOCK" {
			continue
		}
		sequence, checked := be.Uint64(b[0x0c:]), checksum(b) == be.Uint32(b[8:])
		if found && (!checked || best && sequence <= newest) {
			continue
		}
		for e := b[0x24:]; len(e) >= 34 && e[0] != 0; e = e[34:] {
			s, ok1 := scale(be.Uint64(e[10:]), h.sector)
			n, ok2 := scale(be.Uint64(e[18:]), h.sector)
			if cstring(e[:8]) == "config" && ok1 && ok2 && s <= h.db && n <= h.db-s {
				start, size, found, newest, best = s, n, true, sequence, checked
			}
		}
	}
	if !found {
		return 0, 0, fmt.Errorf("no table of contents (TOCBLOCK) of its database can be used")
	}
	if !best {
		note(m, "the checksum of its database's table of contents is wrong")
	}
	return start, size, nil
}

// active reports whether a record with a status counts: 0 if nothing changes it, 1 if the
// transaction is to remove it, 2 if it is to add it.
func (db *database) active(status uint16) bool {
	if db.status == commit {
		return status == 0 || status == 2
	}
	return status <= 1
}

// counts returns how many records that count there should be.
func (db *database) counts() counts {
	if db.status == commit {
		return db.nChange
	}
	return db.nCommitted
}
